-- grain: one row: how many rows the view in the slot has, and the sum of their digests, which knows no order. Read by: prune.
select count(*) as rows, coalesce(sum(md5_number_lower(t::varchar)::hugeint), 0)::varchar as digest from {table} as t
