-- grain: one row: how many requests were made inside [start, cutoff). Read by: turn, which has nothing to do without one.
select count(*) as requests
from requests
where source = $source and requested_at >= make_timestamp($start) and requested_at < make_timestamp($cutoff)
