-- grain: impression of a forgotten user.
delete from impressions
where source = $source and request_id in (select request_id from of_forgotten($source, $batch))
