-- grain: one row: when $generation showed something first, or null. Read by: facts, before `logged_by`.
select epoch_us(min(shown_at)) as first_at from impressions where source = $source and generation = $generation
