-- grain: impression whose reward became known inside [start, cutoff), in order of arrival; see the macro `matured`.
-- Read by: refresh_memory, update, drift.
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
from matured($source, $kind, $attribution)
where matured_at >= make_timestamp($start) and matured_at < make_timestamp($cutoff)
order by matured_at, impression_id
