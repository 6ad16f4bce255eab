-- grain: one turn. Read by: daily_loop (a finished turn is not repeated), replay, status.
select epoch_us(cutoff) as cutoff, finished, turn
from windows
where source = $source and cutoff = make_timestamp($cutoff)
