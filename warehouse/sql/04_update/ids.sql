-- grain: one raw value of one keyed field, wherever the log named it in what was shown in [since, until), requests and all, or as
-- an attribute; the requests were made from $asked on (`asked_since`). Of days that were taken out, items are known, users
-- and context are not. Read by: publish, to say which ids came and went.
with asked as (
    select user_id, context
    from requests
    where source = $source and requested_at >= make_timestamp($asked) and requested_at < make_timestamp($until)
),
attributes as (
    select attributes from users where source = $source
    union all
    select attributes from items where source = $source
    union all
    select context from asked where context is not null
),
described as (
    select
        v.key as field,
        unnest(case when json_type(v.value) = 'ARRAY' then v.value::varchar[] else [v.value ->> '$'] end) as id
    from attributes as a, json_each(a.attributes) as v
),
named as (
    select 'user' as field, user_id as id from asked
    union all
    select 'item' as field, item_id as id
    from impressions
    where source = $source and shown_at >= make_timestamp($since) and shown_at < make_timestamp($until)
    union all
    select 'item' as field, item_id as id from pruned_items where source = $source
    union all
    select field, id from described
)
select distinct field, id from named where id is not null order by field, id
