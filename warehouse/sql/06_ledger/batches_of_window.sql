-- grain: one batch that holds rows of a window, in order of time. Read by: the control room, to say what came in.
select path, rows, duplicates, epoch_us(first_at) as first_at, epoch_us(last_at) as last_at
from batches
where source = $source and first_at < make_timestamp($cutoff) and last_at >= make_timestamp($start)
order by first_at, last_at, path
