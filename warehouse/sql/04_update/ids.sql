-- grain: one raw value of one keyed field, wherever the log named it; of days that were taken out, items are known, users
-- and context are not. Read by: publish, to say which ids came and went.
with attributes as (
    select attributes from users where source = $source
    union all
    select attributes from items where source = $source
    union all
    select context from requests where source = $source and context is not null
),
described as (
    select
        v.key as field,
        unnest(case when json_type(v.value) = 'ARRAY' then v.value::varchar[] else [v.value ->> '$'] end) as id
    from attributes as a, json_each(a.attributes) as v
),
named as (
    select 'user' as field, user_id as id from requests where source = $source
    union all
    select 'item' as field, item_id as id from impressions where source = $source
    union all
    select 'item' as field, item_id as id from pruned_items where source = $source
    union all
    select field, id from described
)
select distinct field, id from named where id is not null order by field, id
