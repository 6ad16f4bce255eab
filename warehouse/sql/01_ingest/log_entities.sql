-- grain: user or item of the log: the columns in the slot, of the last row that names it, in the order of the file.
select {columns}
from read_parquet(getvariable('log_path'), file_row_number = true, hive_partitioning = false)
where file_row_number in (
    select max(file_row_number)
    from read_parquet(getvariable('log_path'), file_row_number = true, hive_partitioning = false)
    group by {id}
)
order by file_row_number
