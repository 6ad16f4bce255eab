-- grain: day, since the epoch, with impressions that were shown on it before $cutoff; in order.
-- Read by: facts, before a sample of the past is drawn.
select epoch_us(shown_at) // 86400000000 as day, count(*) as impressions
from impressions
where source = $source and shown_at < make_timestamp($cutoff)
group by day
order by day
