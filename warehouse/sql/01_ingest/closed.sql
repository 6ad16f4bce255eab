-- grain: one row: the cutoff of the latest finished turn, or null: what comes now and is older was not known to it.
-- Read by: ingest.
select epoch_us(max(cutoff)) as closed from windows where source = $source and finished
