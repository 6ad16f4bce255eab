-- grain: rejected row of a forgotten user.
delete from quarantine
where source = $source
    and if(table_name = 'outcomes', regexp_replace(row_id, '/[^/]*$', ''), row_id) in (
        select request_id from of_forgotten($source, $batch)
        union all
        select impression_id
        from impressions
        where source = $source and request_id in (select request_id from of_forgotten($source, $batch))
    )
