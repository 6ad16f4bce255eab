-- grain: the generation made at a cutoff, or none. Read by: publish, so that a resumed turn keeps its number.
select generation, manifest_digest from generations where source = $source and cutoff = make_timestamp($cutoff)
