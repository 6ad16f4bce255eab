-- grain: outcome of an impression shown inside the window, or that arrived inside it. Read by: validate.
select o.impression_id, o.kind, o.reward, epoch_us(o.outcome_at) as outcome_at
from outcomes as o
semi join impressions as i
    on i.impression_id = o.impression_id
    and i.source = o.source
    and i.shown_at >= make_timestamp($start)
    and i.shown_at < make_timestamp($cutoff)
where o.source = $source and o.outcome_at < make_timestamp($cutoff)
order by o.outcome_at, o.impression_id, o.kind
