-- grain: one move of the champion pointer, in order. Read by: status.
select release, generation, previous, kind, reason, epoch_us(cutoff) as cutoff
from releases
where source = $source
order by release
