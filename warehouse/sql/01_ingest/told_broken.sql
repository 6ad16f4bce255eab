-- grain: broken record that the turn ending at $cutoff tells of. Read by: validate.
select file, line, "offset", reason
from broken_records
where source = $source and cutoff = make_timestamp($cutoff)
order by file, line, "offset"
