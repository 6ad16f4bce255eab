-- grain: one row: an instant before which nothing was shown that matures at $start or later, nor its slates, when outcomes
-- count for $attribution seconds; where that is null, its slates may have been. Of windows that were readmitted, and of what came
-- late, what matured earlier is learned later. The requests of what is asked about were made from $asked on.
-- Read by: facts, before `matured`.
with shown as (
    select request_id
    from impressions
    where source = $source and shown_at >= make_timestamp($start) - to_microseconds(($attribution * 1e6)::bigint)
),
asked as (
    select min(q.requested_at) as earliest
    from requests as q
    semi join shown as s on s.request_id = q.request_id
    where q.source = $source and q.requested_at >= make_timestamp($asked)
),
readmitted as (
    select min(start) - to_microseconds((coalesce($attribution, 0) * 1e6)::bigint) as earliest
    from decided_windows($source)
    where learnable_at >= make_timestamp($start)
),
came as (
    select impression_id from impressions where source = $source and known_from >= make_timestamp($start)
    union all
    select impression_id
    from outcomes
    where source = $source
        and (known_from >= make_timestamp($start) or ($attribution is null and outcome_at >= make_timestamp($start)))
),
late as (
    select min(i.shown_at) as earliest
    from impressions as i
    semi join came as c on c.impression_id = i.impression_id
    where i.source = $source
)
select epoch_us(least(asked.earliest, readmitted.earliest, late.earliest, make_timestamp($start))) as since
from asked, readmitted, late
