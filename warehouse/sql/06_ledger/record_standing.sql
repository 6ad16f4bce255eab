-- grain: one released generation; written again by a resumed turn. Read by: evaluate, through `standing`.
insert or replace into standings (generation, source, standing) values ($generation, $source, $standing)
