-- grain: one number: how many different ids the rows in the slot have, by their hash; as many as rows: each has its own.
select count(distinct hash({id})) as ids from {rows}
