-- grain: request made inside the window. Read by: drill.
select request_id, user_id, epoch_us(requested_at) as "at", generation, context, eligible, eligible_of
from requests
where source = $source and requested_at >= make_timestamp($start) and requested_at < make_timestamp($cutoff)
order by requested_at, request_id
