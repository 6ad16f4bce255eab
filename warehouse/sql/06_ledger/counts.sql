-- grain: one row: what the warehouse holds of a source, and what was taken out of it. Read by: status.
select
    (select count(*) from batches where source = $source) as batches,
    (select count(*) from requests where source = $source) as requests,
    (select count(*) from impressions where source = $source) as impressions,
    (select count(*) from outcomes where source = $source) as outcomes,
    (select count(*) from quarantine where source = $source) as quarantined,
    (select count(*) from pruned_days where source = $source) as pruned_days,
    (select coalesce(sum(impressions), 0)::bigint from pruned_days where source = $source) as pruned_impressions
