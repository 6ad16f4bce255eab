-- grain: one row: what the warehouse holds of a source. Read by: status.
select
    (select count(*) from batches where source = $source) as batches,
    (select count(*) from requests where source = $source) as requests,
    (select count(*) from impressions where source = $source) as impressions,
    (select count(*) from outcomes where source = $source) as outcomes,
    (select count(*) from quarantine where source = $source) as quarantined
