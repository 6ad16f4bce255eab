-- grain: what the memory of one generation trusted as of one cutoff, in order. Read by: the report site.
select t.generation, epoch_us(t.cutoff) as cutoff, t.trust
from trusts as t
join generations as g using (generation)
where g.source = $source
order by t.cutoff, t.generation
