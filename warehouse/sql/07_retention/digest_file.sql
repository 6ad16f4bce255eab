-- grain: one row: the same of a file. Read by: prune, before rows leave the warehouse.
select count(*) as rows, coalesce(sum(md5_number_lower(t::varchar)::hugeint), 0)::varchar as digest
from read_parquet($path, hive_partitioning = false) as t
