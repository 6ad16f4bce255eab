-- grain: item of a source. Read by: ingest of old days.
copy (
    select item_id as entity_id, attributes::varchar as attributes, changed_at, coalesce(hidden, false) as hidden
    from items
    where source = $source
    order by item_id
) to $part (format parquet, compression zstd)
