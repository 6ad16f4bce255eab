-- grain: impression that matured before $cutoff, at most $rows of them, the first in the order of the draw among those in
-- `replay_candidates`, whose requests, made from $asked on, are in `replay_requests`; in order of the instant shown. Columns as
-- in `matured`.
-- Read by: update.
with drawn as (
    select m.*
    from matured(
        $source,
        $kind,
        $attribution,
        make_timestamp($since),
        make_timestamp($cutoff),
        make_timestamp($asked),
        of_impressions := 'replay_candidates',
        of_requests := 'replay_requests'
    ) as m
    join replay_candidates as c on c.impression_id = m.impression_id
    where m.matured_at < make_timestamp($cutoff)
    order by c.key, m.impression_id
    limit $rows
)
select
    impression_id,
    request_id,
    user_id,
    item_id,
    position,
    propensity,
    logit,
    score,
    generation,
    context,
    epoch_us(shown_at) as "at",
    epoch_us(matured_at) as matured_at,
    reward,
    grade
from drawn
order by shown_at, impression_id
