-- grain: a file that no migration is named in. `tables` are how many it has; up to 0.2 an outcome had a `value`.
-- Read by: whoever opens it.
select
    count(distinct table_name) as tables,
    coalesce(bool_or(table_name = 'outcomes' and column_name = 'value'), false) as valued
from duckdb_columns()
where database_name = current_database() and not internal
