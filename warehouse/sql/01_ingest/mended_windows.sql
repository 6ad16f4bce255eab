-- grain: window that is set aside and shares an instant with [first, last]. Read by: ingest, when a log is brought again as it
-- should have been.
select epoch_us(start) as start, epoch_us(cutoff) as cutoff
from aside($source)
where cutoff > make_timestamp($first) and start <= make_timestamp($last)
order by start
