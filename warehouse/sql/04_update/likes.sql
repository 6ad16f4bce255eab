-- grain: one of the latest $width items that a user liked, as known at $cutoff, in order of arrival.
-- Read by: publish (the bundle carries them), play.
select user_id, item_id, epoch_us(matured_at) as "at"
from likes($source, $kind, $attribution)
where matured_at < make_timestamp($cutoff)
qualify number > max(number) over (partition by user_id) - $width
order by user_id, number
