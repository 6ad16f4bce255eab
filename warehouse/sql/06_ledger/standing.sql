-- grain: one released generation. Read by: refresh_memory, evaluate.
select standing from standings where generation = $generation
