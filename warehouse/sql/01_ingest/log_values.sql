-- grain: distinct value of the log's column in the slot, up to $most of them.
select distinct {value} as said
from read_parquet(getvariable('log_path'), file_row_number = true, hive_partitioning = false)
where {value} is not null
limit $most
