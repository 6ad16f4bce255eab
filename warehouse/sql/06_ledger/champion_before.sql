-- grain: the generation that a turn made champion last, of those that know nothing later than $instant; or none.
-- Read by: quarantine, to know whom to go back to.
select r.generation
from releases as r
join generations as g on g.generation = r.generation
where r.source = $source and g.cutoff <= make_timestamp($instant)
order by r.release desc
limit 1
