-- grain: outcome that a batch brought of what it is left out of.
delete from outcomes
where source = $source
    and batch = $digest
    and impression_id in (
        select i.impression_id
        from impressions as i
        semi join left_out as l on l.request_id = i.request_id
        where i.source = $source and i.batch = $digest
    )
