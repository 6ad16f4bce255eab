-- grain: finished window of which other impressions are logged now than when they were counted last. Read by: validate, to
-- say that something arrived after its window was closed.
with logged as (
    select w.cutoff, w.start, w.impressions as counted, count(i.impression_id) as impressions
    from windows as w
    left join impressions as i on i.source = w.source and i.shown_at >= w.start and i.shown_at < w.cutoff
    where w.source = $source and w.finished and w.cutoff <= make_timestamp($start)
    group by w.cutoff, w.start, w.impressions
)
select epoch_us(start) as start, epoch_us(cutoff) as cutoff, impressions - counted as more
from logged
where impressions <> counted
order by cutoff
