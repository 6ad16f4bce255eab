-- grain: row of a log that is read by DuckDB itself, as it stands in its file, with its number from 0, `file_row_number`,
-- and the columns that its folders give it, in the slot.
create or replace temp view log_rows as
select *{folders}
from read_parquet(getvariable('log_path'), file_row_number = true, hive_partitioning = false)
