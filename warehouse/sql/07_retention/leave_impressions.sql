-- grain: impression that a batch brought of a request that is left out.
delete from impressions
where source = $source and batch = $digest and request_id in (select request_id from left_out)
