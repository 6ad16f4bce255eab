-- grain: one generation. Read by: turn, rollback, replay.
select generation, parent, epoch_us(start) as start, epoch_us(cutoff) as cutoff, rows, grown, expired,
    bundle, manifest_digest
from generations
where generation = $generation
