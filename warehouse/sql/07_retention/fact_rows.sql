-- grain: one row: all rows of facts that there are, estimated by the engine. Read by: prune, which tells the size of a day.
select sum(estimated_size)::bigint as rows
from duckdb_tables()
where database_name = current_database() and table_name in ('requests', 'impressions', 'outcomes')
