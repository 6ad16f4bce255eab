-- grain: what the memory of one generation trusted as of one cutoff. Written again by a resumed turn.
insert or replace into trusts (generation, cutoff, trust) values ($generation, make_timestamp($cutoff), $trust)
