-- grain: batch; key: digest. Whether this content is here already.
select digest, rows, duplicates from batches where digest = $digest
