-- grain: finished window of which impressions go: those that are left are what it has by now, so that they do not count as
-- late, nor as missing.
update windows
set impressions = windows.impressions - gone.impressions
from (
    select w.cutoff, count(*) as impressions
    from windows as w
    join going_impressions as i on make_timestamp(i."at") >= w.start and make_timestamp(i."at") < w.cutoff
    where w.source = $source and w.finished
    group by w.cutoff
) as gone
where windows.source = $source and windows.finished and windows.cutoff = gone.cutoff
