-- grain: the latest finished turn before a cutoff, or none. Read by: turn.
select epoch_us(start) as start, epoch_us(cutoff) as cutoff
from windows
where source = $source and finished and cutoff < make_timestamp($cutoff)
order by cutoff desc
limit 1
