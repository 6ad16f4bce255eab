-- grain: batch. Written in the transaction that appends the batch's rows, so that both are there or neither.
insert into batches by name
select
    $digest as digest,
    $source as source,
    $path as path,
    $rows::bigint as rows,
    $rows::bigint - (select count(*) from impressions where batch = $digest) as duplicates,
    (select min(shown_at) from impressions where batch = $digest) as first_at,
    (select max(shown_at) from impressions where batch = $digest) as last_at
