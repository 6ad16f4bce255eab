-- grain: row of the log of which the condition in the slot does not hold, up to $most of them.
select file_row_number as n
from log_rows
where ({sound}) is not true
limit $most
