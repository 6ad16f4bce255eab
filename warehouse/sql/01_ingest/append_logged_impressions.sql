-- grain: impression; key: impression_id. As `append_logged_requests`.
insert into impressions by name
select
    b.impression_id,
    b.request_id,
    $source as source,
    b.item_id,
    b.position,
    b.propensity,
    b.score,
    b.logit,
    b.generation,
    b.logging_policy,
    make_timestamp(b."at") as shown_at,
    case when b."at" < $closed then make_timestamp($closed) end as known_from,
    $digest as batch
from batch_impressions as b
anti join (
    select impression_id
    from impressions
    where source = $source and shown_at >= make_timestamp($first) and shown_at <= make_timestamp($last)
) as i on i.impression_id = b.impression_id
qualify row_number() over (partition by b.impression_id order by b."at") = 1
order by shown_at, b.impression_id
