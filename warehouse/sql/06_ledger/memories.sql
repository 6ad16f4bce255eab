-- grain: the memory of one generation as of one cutoff, in order. Read by: prune.
select m.generation, epoch_us(m.cutoff) as cutoff, m.folder, m.digest
from memories as m
join generations as g using (generation)
where g.source = $source
order by m.generation, m.cutoff
