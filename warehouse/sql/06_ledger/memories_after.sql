-- grain: memory, as of a later instant than $instant, of a generation that was made by then. Read by: set_aside, which drops
-- those that know what is not to be known.
select m.generation, m.folder, epoch_us(m.cutoff) as cutoff, m.digest
from memories as m
join generations as g on g.generation = m.generation
where g.source = $source and g.cutoff <= make_timestamp($instant) and m.cutoff > make_timestamp($instant)
order by m.generation, m.cutoff
