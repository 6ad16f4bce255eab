-- grain: impression shown inside the window. Read by: validate.
select impression_id, request_id, item_id, position, propensity, score, logit, generation, epoch_us(shown_at) as "at"
from impressions
where source = $source and shown_at >= make_timestamp($start) and shown_at < make_timestamp($cutoff)
order by shown_at, request_id, position
