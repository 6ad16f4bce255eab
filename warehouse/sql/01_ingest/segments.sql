-- grain: file of the decision log; what was taken of it. Read by: ingest, archive.
select file, bytes, lines, crc, edge, written_ns, epoch_us(last_at) as last_at from segments where source = $source order by file
