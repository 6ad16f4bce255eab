-- grain: rejected row of a day's file that stays.
copy (
    select x.*
    from read_parquet($quarantine, hive_partitioning = false) as x
    where if(x.table_name = 'outcomes', regexp_replace(x.row_id, '/[^/]*$', ''), x.row_id) not in (
        select i.impression_id
        from read_parquet($impressions, hive_partitioning = false) as i
        semi join forgotten_requests as f on f.request_id = i.request_id
        union all
        select request_id from forgotten_requests
    )
) to $part (format parquet, compression zstd)
