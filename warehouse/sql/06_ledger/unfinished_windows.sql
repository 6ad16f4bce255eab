-- grain: turn that was begun after $cutoff, the end of the last finished one, and is not done. Read by: prune.
select epoch_us(start) as start, epoch_us(cutoff) as cutoff
from windows
where source = $source and not finished and cutoff > make_timestamp($cutoff)
order by cutoff
