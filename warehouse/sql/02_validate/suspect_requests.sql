-- grain: request made inside the window, of those in `suspects` (registered: request_id). Read by: validate.
select q.request_id, q.user_id, epoch_us(q.requested_at) as "at", q.generation, q.context, q.eligible, q.eligible_of
from requests as q
semi join suspects as s on s.request_id = q.request_id
where q.source = $source and q.requested_at >= make_timestamp($start) and q.requested_at < make_timestamp($cutoff)
order by q.requested_at, q.request_id
