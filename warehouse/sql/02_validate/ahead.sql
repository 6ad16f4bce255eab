-- grain: one row: impressions shown after $instant, and the last of them. Read by: validate, to say that a clock is ahead.
select count(*) as impressions, epoch_us(max(shown_at)) as latest
from impressions
where source = $source and shown_at > make_timestamp($instant)
