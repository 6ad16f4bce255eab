-- grain: memory of one generation as of one cutoff, whose folder is deleted.
delete from memories where generation = $generation and cutoff = make_timestamp($cutoff)
