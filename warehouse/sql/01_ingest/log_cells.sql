-- grain: row of a log that can become an impression, in the order of its file (`n`), with the cells as
-- `warehouse.compiled_log` says them; the slots in braces are its. Of rows in doubt those that are sound come from the careful
-- way, `rows_read_again`.
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
from log_rows
where file_row_number not in (select n from rows_in_doubt)
union all by name
select * from rows_read_again
