-- grain: one row: how many rows the table in the slots has. Read by: prune.
select count(*) as rows from {database}.main.{table}
