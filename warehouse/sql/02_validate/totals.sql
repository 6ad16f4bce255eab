-- grain: one row: what [start, cutoff) holds as a whole; `answered` requests have an impression inside it.
-- Read by: validate.
with asked as (
    select request_id
    from requests
    where source = $source and requested_at >= make_timestamp($start) and requested_at < make_timestamp($cutoff)
),
shown as (
    select impression_id, request_id
    from impressions
    where source = $source and shown_at >= make_timestamp($start) and shown_at < make_timestamp($cutoff)
),
came as (
    select o.impression_id
    from told_since($source, make_timestamp($start), make_timestamp($cutoff)) as o
    semi join shown as s on s.impression_id = o.impression_id
)
select
    (select count(*) from asked) as requests,
    (select count(*) from shown) as impressions,
    (select count(*) from came) as outcomes,
    (select count(distinct a.request_id) from asked as a semi join shown as s on s.request_id = a.request_id) as answered
