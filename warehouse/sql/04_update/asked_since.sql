-- grain: one row: when the window began in which $since lies. A contract wants an impression, its request and its slate inside
-- one window, so that nothing older belongs to what was shown since. Before the first window it is when that began where nothing
-- was shown from $since until then, else 0: of what came of that time later nobody knows when it was asked for.
-- Read by: facts, before `matured`.
with first_window as (
    select min(start) as start from windows where source = $source
),
shown_before as (
    select 1
    from impressions
    where source = $source
        and shown_at >= make_timestamp($since)
        and shown_at < (select start from first_window)
    limit 1
),
window_of as (
    select max(greatest(start, case when finished and cutoff <= make_timestamp($since) then cutoff end)) as start
    from windows
    where source = $source and start <= make_timestamp($since)
)
select epoch_us(coalesce(
    w.start, case when not exists (from shown_before) then f.start end, make_timestamp(0)
)) as since
from window_of as w, first_window as f
