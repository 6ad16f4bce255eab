-- grain: one row: how many candidates have no request in `replay_requests`. Read by: facts, which then looks everywhere.
select count(*) as lacking
from replay_candidates as c
anti join replay_requests as q on q.request_id = c.request_id
