-- grain: day that was taken out; written with its last row, in the transaction that deletes them.
insert into pruned_days (source, day, requests, impressions, outcomes, archived)
values ($source, $day::date, $requests, $impressions, $outcomes, $archived)
