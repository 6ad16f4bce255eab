-- grain: outcome; key: impression_id, kind. Appends the outcomes of `batch_outcomes` that no earlier batch brought.
insert into outcomes by name
select
    b.impression_id,
    $source as source,
    b.kind,
    b.reward,
    b.grade,
    make_timestamp(b.outcome_at) as outcome_at,
    case when b.outcome_at < $closed then make_timestamp($closed) end as known_from,
    $digest as batch
from batch_outcomes as b
anti join outcomes as o on o.impression_id = b.impression_id and o.kind = b.kind and o.source = $source
