-- grain: the latest memory of a generation before a cutoff, or none. Read by: refresh_memory.
select generation, folder, epoch_us(cutoff) as cutoff, digest
from memories
where generation = $generation and cutoff <= make_timestamp($cutoff)
order by cutoff desc
limit 1
