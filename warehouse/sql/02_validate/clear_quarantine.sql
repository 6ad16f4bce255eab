-- grain: rejected row. Read by: validate, before it writes what it rejects of a window [start, cutoff): all looks at that
-- window while it was open, and a turn that is resumed, are replaced, so that a row stands here once.
delete from quarantine
where source = $source and cutoff > make_timestamp($start) and cutoff <= make_timestamp($cutoff)
