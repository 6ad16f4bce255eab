-- grain: user of a source. Read by: ingest of old days.
copy (
    select user_id as entity_id, attributes::varchar as attributes, changed_at
    from users
    where source = $source
    order by user_id
) to $part (format parquet, compression zstd)
