-- grain: one row: when the window began in which $since lies; 0 before the first. A contract wants an impression, its request
-- and its slate inside one window, so that nothing older belongs to what was shown since. Read by: facts, before `matured`.
select epoch_us(coalesce(
    max(greatest(start, case when finished and cutoff <= make_timestamp($since) then cutoff end)), make_timestamp(0)
)) as since
from windows
where source = $source and start <= make_timestamp($since)
