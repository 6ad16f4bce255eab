-- grain: outcome of a forgotten user's impression.
delete from outcomes
where source = $source
    and impression_id in (
        select impression_id
        from impressions
        where source = $source and request_id in (select request_id from of_forgotten($source, $batch))
    )
