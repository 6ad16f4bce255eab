-- grain: file of a lake; what was taken of it, in order of its name. Read by: ingest.
select file, size, written_ns, digest, columns, fault from lake_files where source = $source and lake = $lake order by file
