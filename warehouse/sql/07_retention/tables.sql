-- grain: table of a database that is open, by name; the warehouse's own where $database is null. Read by: prune.
select database_name as database, table_name as name
from duckdb_tables()
where database_name = coalesce($database, current_database()) and not temporary
order by table_name
