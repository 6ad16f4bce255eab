-- grain: the latest release that the turn ending at $cutoff did not make itself, or none: who was champion when it
-- opened. Read by: turn, so that one that is resumed after its release has the champion it began with.
select generation
from releases
where source = $source and cutoff is distinct from make_timestamp($cutoff)
order by release desc
limit 1
