-- grain: request that ended inside [$start, $cutoff), a UTC day: it goes as a whole. Read by: the views of `going_facts`.
create or replace temp table going as
with touched as (
    select request_id
    from requests
    where source = $source and requested_at >= make_timestamp($start) and requested_at < make_timestamp($cutoff)
    union
    select request_id
    from impressions
    where source = $source and shown_at >= make_timestamp($start) and shown_at < make_timestamp($cutoff)
),
later as (
    select request_id from requests where source = $source and requested_at >= make_timestamp($cutoff)
    union all
    select request_id from impressions where source = $source and shown_at >= make_timestamp($cutoff)
)
select t.request_id
from touched as t
anti join later as l on l.request_id = t.request_id
