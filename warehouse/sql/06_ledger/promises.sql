-- grain: one generation that the gate released with a value, in order. Read by: evaluate, replay.
select generation, promise from promises where source = $source order by generation
