-- grain: impression that was shown inside [start, cutoff), between the first and the last of `batch_impressions`, and is not
-- among them: it should not have been logged. Kept under the start of its window, so that the checks of the window, which
-- write their own anew, leave it.
insert into quarantine
select $source, make_timestamp($start), 'impressions', i.impression_id, 'left out of the log that was brought again'
from impressions as i
anti join batch_impressions as b on b.impression_id = i.impression_id
anti join quarantine as q
    on q.row_id = i.impression_id and q.source = $source and q.cutoff = make_timestamp($start)
where i.source = $source
    and i.shown_at >= make_timestamp($start)
    and i.shown_at < make_timestamp($cutoff)
    and i.shown_at >= (select min(make_timestamp("at")) from batch_impressions)
    and i.shown_at <= (select max(make_timestamp("at")) from batch_impressions)
