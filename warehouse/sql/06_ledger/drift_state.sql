-- grain: the latest drift decision before a cutoff, or none. Read by: drift (hysteresis and cool-down).
select state
from drift_reports
where source = $source and cutoff < make_timestamp($cutoff)
order by cutoff desc
limit 1
