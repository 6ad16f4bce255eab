-- grain: span of time: a finished window, or all before the first, of which something came that is known from $start on only.
-- Read by: validate, which holds such a window against its contracts once more, and to say what came.
with shown as (
    select impression_id, shown_at from impressions where source = $source and known_from = make_timestamp($start)
),
came as (
    select i.impression_id, i.shown_at
    from outcomes as o
    join impressions as i on i.impression_id = o.impression_id and i.source = $source
    where o.source = $source and o.known_from = make_timestamp($start)
),
late as (
    select shown_at, 1 as impressions, 0 as outcomes from shown
    union all
    select shown_at, 0, 1 from came
),
first_window as (
    select min(start) as start from windows where source = $source
)
select
    coalesce(epoch_us(w.start), epoch_us(min(l.shown_at))) as start,
    coalesce(epoch_us(w.cutoff), epoch_us(any_value(f.start))) as cutoff,
    sum(l.impressions)::bigint as impressions,
    sum(l.outcomes)::bigint as outcomes
from late as l
cross join first_window as f
left join windows as w on w.source = $source and w.finished and l.shown_at >= w.start and l.shown_at < w.cutoff
where l.shown_at < make_timestamp($start)
group by w.start, w.cutoff
order by start
