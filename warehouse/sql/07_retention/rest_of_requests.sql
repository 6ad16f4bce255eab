-- grain: request of a day's file that stays; written last, as the others are found by it.
copy (
    select q.*
    from read_parquet($requests, hive_partitioning = false) as q
    anti join forgotten_requests as f on f.request_id = q.request_id
    order by q."at", q.request_id
) to $part (format parquet, compression zstd)
