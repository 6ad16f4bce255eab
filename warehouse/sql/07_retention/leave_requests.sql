-- grain: request that is left out.
delete from requests
where source = $source and batch = $digest and request_id in (select request_id from left_out)
