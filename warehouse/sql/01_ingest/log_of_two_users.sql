-- grain: one number: requests of the log that are of several users.
select count(*) as requests
from (
    select 1 from log_cells group by request_id having min(hash(user_id)) <> max(hash(user_id))
)
