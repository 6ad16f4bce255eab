-- grain: impression of `going`.
delete from impressions
where source = $source and shown_at < make_timestamp($cutoff) and request_id in (select request_id from going)
