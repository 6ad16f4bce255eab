-- grain: like of `pruned_likes` that no request of what is left can ask for: its user has $width later ones, which were
-- known before the first of what is left.
with begins as (
    select min(requested_at) as first_at from requests where source = $source
    union all
    select min(shown_at) from impressions where source = $source
),
known as (
    select impression_id
    from pruned_likes
    where source = $source and matured_at < coalesce((select min(first_at) from begins), 'infinity'::timestamp)
    qualify row_number() over (partition by user_id order by matured_at desc, impression_id desc) > $width
)
delete from pruned_likes where source = $source and impression_id in (select impression_id from known)
