-- grain: row of requests, of the catalogues they refer to, of impressions, outcomes and quarantine (which names an outcome by impression and kind) that goes with a request of `going`, in the columns of
-- `components.schema`. Read by: prune, which writes them to the day's files and holds the files to them.
create or replace temp view going_requests as
select q.request_id, q.user_id, epoch_us(q.requested_at) as "at", q.generation, q.context::varchar as context, q.eligible, q.eligible_of
from requests as q
semi join going as g on g.request_id = q.request_id
where q.source = getvariable('going_source') and q.requested_at < make_timestamp(getvariable('going_before')::bigint)
order by q.requested_at, q.request_id;

create or replace temp view going_catalogues as
select c.catalogue, c.items
from catalogues as c
where c.source = getvariable('going_source') and c.catalogue in (select eligible_of from going_requests)
order by c.catalogue;

create or replace temp view going_impressions as
select
    i.impression_id,
    i.request_id,
    i.item_id,
    i.position,
    i.propensity,
    i.score,
    i.logit,
    i.generation,
    i.logging_policy,
    epoch_us(i.shown_at) as "at"
from impressions as i
semi join going as g on g.request_id = i.request_id
where i.source = getvariable('going_source') and i.shown_at < make_timestamp(getvariable('going_before')::bigint)
order by i.shown_at, i.request_id, i.position, i.impression_id;

create or replace temp view going_outcomes as
select o.impression_id, o.kind, o.reward, o.grade, epoch_us(o.outcome_at) as outcome_at
from outcomes as o
semi join going_impressions as i on i.impression_id = o.impression_id
where o.source = getvariable('going_source')
order by o.outcome_at, o.impression_id, o.kind;

create or replace temp view going_quarantine as
select epoch_us(x.cutoff) as cutoff, x.table_name, x.row_id, x.reason
from quarantine as x
where x.source = getvariable('going_source')
    and if(x.table_name = 'outcomes', regexp_replace(x.row_id, '/[^/]*$', ''), x.row_id) in (
        select request_id from going
        union all
        select impression_id from going_impressions
    )
order by x.cutoff, x.table_name, x.row_id, x.reason;
