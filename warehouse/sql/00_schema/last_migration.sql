-- grain: the file: the last script of sql/migrations that it has been through. Read by: whoever opens it.
select max(number) as number from migrations
