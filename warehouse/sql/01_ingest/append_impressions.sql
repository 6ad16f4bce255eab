-- grain: impression; key: impression_id. Appends the impressions of `batch_impressions` that no earlier batch brought.
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
anti join impressions as i on i.impression_id = b.impression_id and i.source = $source
