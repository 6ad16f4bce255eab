-- grain: one released generation; written again when more of its requests have matured. Read by: evaluate, replay,
-- through `promises`.
insert or replace into promises (generation, source, promise) values ($generation, $source, $promise)
