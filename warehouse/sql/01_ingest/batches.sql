-- grain: batch; in order of its digest. Read by: publish, which names the content that a generation was made from.
select digest from batches where source = $source order by digest
