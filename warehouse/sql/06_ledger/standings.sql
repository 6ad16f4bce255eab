-- grain: one generation that the gate released, with what it stands on. Read by: prune.
select generation, standing from standings where source = $source order by generation
