-- grain: row of a log that is read by DuckDB itself, in the order of its file (`n`), with the cells as `warehouse.compiled_log`
-- says them; the slots in braces are its.
create or replace temp view log_cells as
select
    file_row_number as n,
    {user_id} as user_id,
    {item_id} as item_id,
    {at} as "at",
    {impression_id} as impression_id,
    {request_id} as request_id,
    {position} as "position",
    {propensity} as propensity,
    {generation} as generation,
    {context} as context,
    {eligible} as eligible,
    {outcome_at} as outcome_at,
    {outcomes}
from read_parquet(getvariable('log_path'), file_row_number = true, hive_partitioning = false)
