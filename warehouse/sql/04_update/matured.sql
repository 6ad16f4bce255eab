-- grain: impression whose reward became known inside [start, cutoff), accepted by its contracts, in order of arrival.
-- With $attribution null outcomes are explicit: no outcome means unknown. Otherwise an impression matures
-- $attribution seconds after it was shown, and its reward is the largest outcome that came in time, or 0.
-- Read by: refresh_memory, update, drift.
with rewards as (
    select
        i.impression_id,
        max(o.value) as reward,
        min(o.outcome_at) as outcome_at
    from impressions as i
    join outcomes as o on o.impression_id = i.impression_id and o.source = i.source
    where i.source = $source
        and ($attribution is null or o.outcome_at <= i.shown_at + to_microseconds(($attribution * 1e6)::bigint))
    group by i.impression_id
),
matured as (
    select
        i.impression_id,
        i.request_id,
        i.item_id,
        i.position,
        i.propensity,
        i.logit,
        i.score,
        i.generation,
        i.shown_at,
        coalesce(r.reward, 0) as reward,
        case
            when $attribution is null then r.outcome_at
            else i.shown_at + to_microseconds(($attribution * 1e6)::bigint)
        end as matured_at
    from impressions as i
    left join rewards as r on r.impression_id = i.impression_id
    where i.source = $source and ($attribution is not null or r.reward is not null)
),
rejected as (
    select row_id from quarantine where source = $source and table_name = 'impressions'
),
final as (
    select
        m.impression_id,
        m.request_id,
        q.user_id,
        m.item_id,
        m.position,
        m.propensity,
        m.logit,
        m.score,
        m.generation,
        q.context,
        epoch_us(m.shown_at) as "at",
        epoch_us(m.matured_at) as matured_at,
        m.reward::float as reward
    from matured as m
    join requests as q on q.request_id = m.request_id and q.source = $source
    anti join rejected as x on x.row_id = m.impression_id
    where m.matured_at >= make_timestamp($start) and m.matured_at < make_timestamp($cutoff)
)
select * from final
order by matured_at, impression_id
