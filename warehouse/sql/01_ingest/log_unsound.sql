-- grain: one number: rows of the log of which the condition in the slot does not hold.
select count(*) as rows
from read_parquet(getvariable('log_path'), file_row_number = true, hive_partitioning = false)
where ({sound}) is not true
