-- grain: broken line of `batch_broken` (registered: file, line, offset, reason, raw).
insert into broken_records by name
select $source as source, file, line, "offset", reason, raw, null::timestamp as cutoff from batch_broken
