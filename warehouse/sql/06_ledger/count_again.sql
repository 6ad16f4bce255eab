-- grain: finished window before the turn that ends at $cutoff: how many impressions it has by now. Written with that turn's
-- end, so that what came late is said by one turn.
update windows
set impressions = logged.impressions
from (
    select w.cutoff, count(i.impression_id) as impressions
    from windows as w
    left join impressions as i on i.source = w.source and i.shown_at >= w.start and i.shown_at < w.cutoff
    where w.source = $source and w.finished and w.cutoff < make_timestamp($cutoff)
    group by w.cutoff
) as logged
where windows.source = $source and windows.cutoff = logged.cutoff and windows.impressions <> logged.impressions
