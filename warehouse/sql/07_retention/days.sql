-- grain: UTC day before $before on which requests ended (their last impression was shown), in order: what went with it if
-- it went, and why it must stay, or null. Of an outcome that came inside a window that is set aside, or of an impression
-- that may mature there, nobody knows yet what it is; what matured at $since or later, some generation that is kept has
-- not learned. Read by: prune.
with seen as (
    select request_id, requested_at as seen_at
    from requests
    where source = $source and requested_at < make_timestamp($before)
    union all
    select request_id, shown_at from impressions where source = $source and shown_at < make_timestamp($before)
),
later as (
    select request_id from requests where source = $source and requested_at >= make_timestamp($before)
    union all
    select request_id from impressions where source = $source and shown_at >= make_timestamp($before)
),
ended as materialized (
    select s.request_id, min(s.seen_at) as first_at, max(s.seen_at) as last_at
    from seen as s
    anti join later as l on l.request_id = s.request_id
    group by s.request_id
),
shown as materialized (
    select i.impression_id, e.last_at::date as day
    from impressions as i
    join ended as e on e.request_id = i.request_id
    where i.source = $source and i.shown_at < make_timestamp($before)
),
came as materialized (
    select s.day, o.kind, o.outcome_at
    from outcomes as o
    join shown as s on s.impression_id = o.impression_id
    where o.source = $source
),
aside_days as (
    select e.last_at::date as day
    from ended as e
    join aside($source) as a
        on e.last_at >= a.start - coalesce(to_microseconds(($attribution * 1e6)::bigint), interval 0 seconds)
        and e.first_at < a.cutoff
    union
    select c.day from came as c join aside($source) as a on c.outcome_at >= a.start and c.outcome_at < a.cutoff
),
unlearned_days as (
    select distinct s.day
    from matured($source, $kind, $attribution, '-infinity'::timestamp, make_timestamp($before), '-infinity'::timestamp) as m
    join shown as s on s.impression_id = m.impression_id
    where m.matured_at >= make_timestamp($since)
),
asked as (
    select e.last_at::date as day, count(*) as requests
    from requests as q
    join ended as e on e.request_id = q.request_id
    where q.source = $source
    group by all
),
shown_of_day as (
    select day, count(*) as impressions from shown group by day
),
came_of_day as (
    select day, count(*) as outcomes from came group by day
)
select
    coalesce(q.day, i.day)::varchar as day,
    coalesce(q.requests, 0) as requests,
    coalesce(i.impressions, 0) as impressions,
    coalesce(o.outcomes, 0) as outcomes,
    case
        when coalesce(q.day, i.day) in (select day from aside_days) then 'a window that is set aside may still be learned'
        when coalesce(q.day, i.day) in (select day from unlearned_days) then 'a generation that is kept has not learned it'
    end as needed
from asked as q
full join shown_of_day as i on i.day = q.day
left join came_of_day as o on o.day = coalesce(q.day, i.day)
order by day
