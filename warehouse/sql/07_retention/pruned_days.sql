-- grain: day that was taken out, in order. Read by: prune, status, ingest.
select day::varchar as day, requests, impressions, outcomes, archived from pruned_days where source = $source order by day
