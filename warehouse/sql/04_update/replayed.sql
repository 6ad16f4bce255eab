-- grain: impression that matured before $cutoff, at most $rows of them, drawn without replacement and in order of the
-- instant shown. A row's weight is 2^(shown_at / half-life); algorithm A of Efraimidis and Spirakis (2006) keeps the
-- largest log(u) / w, which is the order of log(-log u) - log w upside down. u follows from the seed and the impression
-- alone, so that the draw does not depend on order or grouping. Where the past is long, what is older
-- than $since has no chance worth a look, and of the rest one second in $part is looked at: `components.update.replay_reach`.
-- Columns as in `matured`. Read by: update.
with drawn as (
    select
        *,
        ((md5_number_lower(impression_id || '|' || $seed::varchar) >> 11)::double + 0.5) / 9007199254740992.0 as u
    from matured($source, $kind, $attribution, make_timestamp($since), make_timestamp($cutoff), make_timestamp($asked))
    where matured_at < make_timestamp($cutoff)
        and ($part = 1 or hash(xor(hash(epoch_us(shown_at) // 1000000), $seed::ubigint)) % $part = 0)
    order by ln(-ln(u)) - epoch_us(shown_at) / 86400e6 * ln(2) / $half_life_days, impression_id
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
