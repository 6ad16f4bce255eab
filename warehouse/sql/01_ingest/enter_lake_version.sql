-- grain: Delta table.
insert into lake_versions by name
select $source as source, $lake as lake, $version::bigint as version, $opening::boolean as opening
on conflict (source, lake) do update set version = excluded.version, opening = excluded.opening
