-- grain: outcome, known before the cutoff, of an impression shown inside the window in one of the requests in `suspects`
-- (registered: request_id). Read by: validate.
with shown as (
    select i.impression_id
    from impressions as i
    semi join suspects as s on s.request_id = i.request_id
    where i.source = $source and i.shown_at >= make_timestamp($start) and i.shown_at < make_timestamp($cutoff)
)
select o.impression_id, o.kind, o.reward, epoch_us(o.outcome_at) as outcome_at
from told_since($source, make_timestamp($start), make_timestamp($cutoff)) as o
semi join shown as i on i.impression_id = o.impression_id
order by o.outcome_at, o.impression_id, o.kind
