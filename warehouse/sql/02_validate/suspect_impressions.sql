-- grain: impression shown inside the window, of the requests in `suspects` (registered: request_id). Read by: validate.
select
    i.impression_id,
    i.request_id,
    i.item_id,
    i.position,
    i.propensity,
    i.score,
    i.logit,
    i.generation,
    epoch_us(i.shown_at) as "at"
from impressions as i
semi join suspects as s on s.request_id = i.request_id
where i.source = $source and i.shown_at >= make_timestamp($start) and i.shown_at < make_timestamp($cutoff)
order by i.shown_at, i.request_id, i.position
