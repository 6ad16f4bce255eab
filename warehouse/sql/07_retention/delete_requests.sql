-- grain: request of `going`.
delete from requests
where source = $source and requested_at < make_timestamp($cutoff) and request_id in (select request_id from going)
