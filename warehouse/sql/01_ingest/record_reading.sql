-- grain: batch; what was read of the decision log at once. As `record_batch`, of what was counted while it was appended.
insert into batches by name
select
    $digest as digest,
    $source as source,
    $path as path,
    $rows::bigint as rows,
    $duplicates::bigint as duplicates,
    make_timestamp($first::bigint) as first_at,
    make_timestamp($last::bigint) as last_at
