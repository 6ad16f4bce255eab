-- grain: distinct value of the log's column in the slot, up to $most of them.
select distinct {value} as said
from log_rows
where {value} is not null
limit $most
