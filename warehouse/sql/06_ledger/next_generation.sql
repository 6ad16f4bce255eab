-- grain: one row: the number the next generation gets.
select coalesce(max(generation), 0) + 1 as generation from generations
