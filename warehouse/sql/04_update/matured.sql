-- grain: impression whose reward became known inside [start, cutoff), in order of arrival; see the macro `matured`.
-- `settled_at` is the instant at which the last accepted impression of its request had matured, or the last instant
-- there is if one had not before the cutoff; later outcomes do not change it. An impression that came after its window was
-- closed belongs to no slate that is judged: it is settled from the beginning. Nothing was shown before $since (`reach`),
-- and nothing that belongs to it was logged as of before $asked (`asked_since`).
-- Read by: refresh_memory, update, evaluate, drift.
with known as (
    select *
    from matured($source, $kind, $attribution, make_timestamp($since), make_timestamp($cutoff), make_timestamp($asked))
    where matured_at < make_timestamp($cutoff)
),
fresh as (
    select * from known where matured_at >= make_timestamp($start)
),
rejected as (
    select row_id from quarantine where source = $source and table_name = 'impressions'
),
shown as (
    select i.request_id, count(*) as positions
    from impressions as i
    semi join fresh as f on f.request_id = i.request_id
    anti join rejected as x on x.row_id = i.impression_id
    where i.source = $source and i.shown_at >= make_timestamp($asked) and i.known_from is null
    group by i.request_id
),
slates as (
    select k.request_id, max(k.settled_at) as settled_at
    from known as k
    join shown as s on s.request_id = k.request_id
    where k.known_from is null
    group by k.request_id
    having count(*) = max(s.positions)
)
select
    f.impression_id,
    f.request_id,
    f.user_id,
    f.item_id,
    f.position,
    f.propensity,
    f.logit,
    f.score,
    f.generation,
    f.context,
    epoch_us(q.requested_at) as requested_at,
    epoch_us(f.shown_at) as "at",
    epoch_us(f.matured_at) as matured_at,
    case
        when f.known_from is not null then epoch_us(f.shown_at)
        else coalesce(epoch_us(s.settled_at), 9223372036854775807)
    end as settled_at,
    f.reward,
    f.grade
from fresh as f
join requests as q
    on q.request_id = f.request_id and q.source = $source and q.requested_at >= make_timestamp($asked)
left join slates as s on s.request_id = f.request_id
order by f.matured_at, case when f.is_late then f.shown_at end nulls first, f.impression_id
