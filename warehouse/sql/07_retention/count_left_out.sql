-- grain: one row: impressions of `left_out`. Read by: ingest, which says so.
select count(*) as impressions
from impressions as i
semi join left_out as l on l.request_id = i.request_id
where i.source = $source and i.batch = $digest
