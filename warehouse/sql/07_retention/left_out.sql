-- grain: request that a batch brought, made on a day that was taken out, or ended on one. Read by: ingest, which leaves it
-- out: what is archived, or was meant to go, does not come back by a file that is delivered twice.
create or replace temp table left_out as
select distinct q.request_id
from requests as q
left join impressions as i on i.request_id = q.request_id and i.source = q.source and i.batch = q.batch
where q.source = $source
    and q.batch = $digest
    and (
        q.requested_at::date in (select day from pruned_days where source = $source)
        or i.shown_at::date in (select day from pruned_days where source = $source)
    )
