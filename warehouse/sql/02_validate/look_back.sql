-- grain: one row: an instant of the open window [start, cutoff) from which on it is looked at again by who has learned what
-- was known before $known. From there come its $rows latest impressions, all that was shown since, or is told of by an
-- outcome that came since, and what took $attribution seconds to be known since (null: any outcome may be the first).
-- Read by: refresh_memory.
with shown as materialized (
    select impression_id, shown_at
    from impressions
    where source = $source and shown_at >= make_timestamp($start) and shown_at < make_timestamp($cutoff)
),
latest as (
    select shown_at from shown order by shown_at desc limit $rows
),
came as (
    select impression_id
    from outcomes
    where source = $source and outcome_at >= make_timestamp($known) and outcome_at < make_timestamp($cutoff)
),
told as (
    select min(s.shown_at) as earliest from shown as s semi join came as c on c.impression_id = s.impression_id
)
select
    epoch_us(greatest(make_timestamp($start), least(
        (select min(shown_at) from latest),
        (select earliest from told),
        make_timestamp($known) - to_microseconds((coalesce($attribution, 0) * 1e6)::bigint)
    ))) as since
