-- grain: request of `batch_requests` that was made inside [start, cutoff) and is brought again.
delete from requests
where source = $source
    and requested_at >= make_timestamp($start)
    and requested_at < make_timestamp($cutoff)
    and request_id in (select request_id from batch_requests)
