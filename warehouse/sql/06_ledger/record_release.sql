-- grain: one move of the champion pointer; append-only.
insert into releases (release, source, generation, previous, kind, reason, cutoff)
select
    (select coalesce(max(release), 0) + 1 from releases),
    $source,
    $generation,
    (select generation from releases where source = $source order by release desc limit 1),
    $kind,
    $reason,
    make_timestamp($cutoff)
