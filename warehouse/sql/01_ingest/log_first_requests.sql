-- grain: request of a log that names some several times: the first row of each is its.
create or replace temp view batch_requests as
select request_id, user_id, "at", generation, context, eligible
from log_cells
where n in (select min(n) from log_cells group by request_id)
