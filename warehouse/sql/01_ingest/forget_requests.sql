-- grain: request of a forgotten user; the last to go, as the others are found by it.
delete from requests
where source = $source and request_id in (select request_id from of_forgotten($source, $batch))
