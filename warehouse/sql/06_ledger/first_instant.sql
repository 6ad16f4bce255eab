-- grain: one row: the first impression of a source, or null. Read by: turn, for the first window.
select epoch_us(min(shown_at)) as first_at from impressions where source = $source
