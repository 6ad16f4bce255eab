-- grain: one row: when the first request was made, in the open window [start, cutoff), of what was shown in it from $since on;
-- null where nothing was. Read by: refresh_memory, so that it looks at a request together with all that it showed.
with shown as (
    select request_id
    from impressions
    where source = $source and shown_at >= make_timestamp($since) and shown_at < make_timestamp($cutoff)
)
select epoch_us(min(q.requested_at)) as since
from requests as q
semi join shown as s on s.request_id = q.request_id
where q.source = $source and q.requested_at >= make_timestamp($start) and q.requested_at < make_timestamp($cutoff)
