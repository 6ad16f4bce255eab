-- grain: memory of a generation as of an instant inside (start, cutoff), all but the latest: a process may be reading
-- that one. Read by: memory, which deletes them.
select generation, folder, epoch_us(cutoff) as cutoff, digest
from memories
where generation = $generation and cutoff > make_timestamp($start) and cutoff < make_timestamp($cutoff)
qualify row_number() over (order by cutoff desc) > 1
order by cutoff
