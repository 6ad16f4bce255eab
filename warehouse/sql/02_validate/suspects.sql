-- grain: request id of [start, cutoff) of which a row may break a contract, and the first $sample requests and slates,
-- sound or not. More than the contracts reject is allowed, less is not: a test holds both together. What could spoil an
-- impression (a double, another's position, its request, its outcomes) has its request or its id, so contracts between
-- rows find all they need in what has these requests. Read by: validate.
with asked as not materialized (
    select request_id, user_id, eligible_of, requested_at
    from requests
    where source = $source and requested_at >= make_timestamp($start) and requested_at < make_timestamp($cutoff)
),
shown as not materialized (
    select impression_id, request_id, item_id, position, propensity, shown_at
    from impressions
    where source = $source and shown_at >= make_timestamp($start) and shown_at < make_timestamp($cutoff)
),
came as not materialized (
    select o.impression_id, s.request_id, s.shown_at, o.kind, o.reward, o.outcome_at
    from told_since($source, make_timestamp($start), make_timestamp($cutoff)) as o
    join shown as s on s.impression_id = o.impression_id
),
of_requests as (
    select request_id from asked group by request_id having count(*) > 1 or bool_or(user_id is null)
),
of_impressions as (
    select s.request_id
    from shown as s
    left join asked as a on a.request_id = s.request_id
    where
        a.request_id is null
        or s.impression_id is null
        or s.item_id is null
        or not coalesce(isnan(s.propensity) or (s.propensity > 0 and s.propensity <= 1), true)
        or not coalesce(s.position >= 0, false)
),
-- By itself, and from the left, so that lists pass by what was shown and are never kept: they are most of a log.
of_lists as (
    select q.request_id
    from requests as q
    left join shown as s on s.request_id = q.request_id
    where
        q.source = $source
        and q.requested_at >= make_timestamp($start)
        and q.requested_at < make_timestamp($cutoff)
        and not coalesce(list_contains(q.eligible, s.item_id), true)
),
listed as (
    select c.catalogue, unnest(c.items) as item_id
    from catalogues as c
    where c.source = $source and c.catalogue in (select eligible_of from asked)
),
outside as (
    select s.request_id
    from shown as s
    join asked as a on a.request_id = s.request_id
    anti join listed as l on l.catalogue = a.eligible_of and l.item_id = s.item_id
    where a.eligible_of is not null
),
doubles as (
    select s.request_id
    from shown as s
    semi join (
        select impression_id from shown group by impression_id having count(*) > 1
    ) as d on d.impression_id = s.impression_id
),
of_slates as (
    select request_id from shown group by request_id having count(*) > count(distinct position)
),
of_outcomes as (
    select request_id
    from came
    where
        not coalesce(list_contains($kinds, kind), false)
        or not coalesce(reward >= 0 and reward <= 1, false)
        or not coalesce(outcome_at >= shown_at, false)
),
repeated as (
    select request_id from came group by request_id, impression_id, kind having count(*) > 1
),
first_asked as (
    select request_id from asked order by requested_at, request_id limit $sample
),
first_shown as (
    select request_id from shown order by shown_at, request_id limit $sample
)
select request_id from of_requests
union
select request_id from of_impressions
union
select request_id from of_lists
union
select request_id from outside
union
select request_id from doubles
union
select request_id from of_slates
union
select request_id from of_outcomes
union
select request_id from repeated
union
select request_id from first_asked
union
select request_id from first_shown
