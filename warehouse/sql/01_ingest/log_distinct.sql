-- grain: one number: how many different ids the rows of the log have, by their hash; as many as rows: each has its own.
select count(distinct hash({id})) as ids from log_cells
