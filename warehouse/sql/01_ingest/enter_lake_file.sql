-- grain: file of a lake. Written in the transaction that brings its rows.
insert into lake_files by name
select
    $source as source,
    $lake as lake,
    $file as file,
    $size::bigint as size,
    $written_ns::bigint as written_ns,
    $digest as digest,
    $columns::varchar[] as columns,
    $fault as fault
on conflict (source, lake, file) do update set
    size = excluded.size,
    written_ns = excluded.written_ns,
    digest = excluded.digest,
    columns = excluded.columns,
    fault = excluded.fault
