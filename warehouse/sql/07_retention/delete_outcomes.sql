-- grain: outcome of an impression of `going`.
delete from outcomes
where source = $source and impression_id in (select impression_id from going_impressions)
