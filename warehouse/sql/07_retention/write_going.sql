-- grain: row of the view in the slot; a file of one day. Read by: ingest and replay of old days, and whoever likes.
copy (from {table}) to $path (format parquet, compression zstd)
