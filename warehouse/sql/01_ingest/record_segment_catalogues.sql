-- grain: generation of one file of the decision log, of `batch_named` (registered: file, generation, catalogue).
insert or replace into segment_catalogues by name
select $source as source, file, generation, catalogue from batch_named
