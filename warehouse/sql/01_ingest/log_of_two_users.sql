-- grain: row of a request of the log that has several users, up to $most of them.
with several as (
    select {request} as request
    from log_rows
    where {user} is not null
    group by all
    having min(hash({user})) <> max(hash({user}))
)
select r.file_row_number as n
from log_rows as r
semi join several as s on s.request is not distinct from r.{request}
limit $most
