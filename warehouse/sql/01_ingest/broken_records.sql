-- grain: broken record of the decision log, in the order of its files. Read by: status.
select file, line, "offset", reason from broken_records where source = $source order by file, line, "offset"
