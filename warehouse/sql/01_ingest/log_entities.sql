-- grain: user or item of the log: the columns in the slot, of the last row that names it, in the order of the file.
select {columns}
from log_rows
where file_row_number in (
    select max(file_row_number)
    from log_rows
    group by {id}
)
order by file_row_number
