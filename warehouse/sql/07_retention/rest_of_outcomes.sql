-- grain: outcome of a day's file that stays.
copy (
    select o.*
    from read_parquet($outcomes, hive_partitioning = false) as o
    where o.impression_id not in (
        select i.impression_id
        from read_parquet($impressions, hive_partitioning = false) as i
        semi join forgotten_requests as f on f.request_id = i.request_id
    )
) to $part (format parquet, compression zstd)
