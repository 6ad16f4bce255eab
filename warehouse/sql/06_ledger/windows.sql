-- grain: one finished turn's window before an instant, in order. Read by: read, to know which turn a request is of.
select epoch_us(start) as start, epoch_us(cutoff) as cutoff
from windows
where source = $source and finished and cutoff < make_timestamp($cutoff) and cutoff >= make_timestamp($since)
order by cutoff
