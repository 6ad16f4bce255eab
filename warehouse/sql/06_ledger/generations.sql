-- grain: one generation with its verdict. Read by: status.
select g.generation, g.parent, epoch_us(g.cutoff) as cutoff, g.rows, g.grown, g.expired, e.verdict, e.reasons
from generations as g
left join evaluations as e on e.source = g.source and e.cutoff = g.cutoff
where g.source = $source
order by g.generation
