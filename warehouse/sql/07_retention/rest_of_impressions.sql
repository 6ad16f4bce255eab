-- grain: impression of a day's file that stays.
copy (
    select i.*
    from read_parquet($impressions, hive_partitioning = false) as i
    anti join forgotten_requests as f on f.request_id = i.request_id
    order by i."at", i.request_id, i.position, i.impression_id
) to $part (format parquet, compression zstd)
