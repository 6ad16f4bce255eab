-- grain: as of the warehouse's tables. One file of a made log as requests, impressions and outcomes, and nothing more: no
-- check, no look at what is there already, no digest. Read by: scale_work, as the floor of an ingest.
insert into requests by name
select
    request_id,
    'scale' as source,
    user_id,
    make_timestamp(shown_at) as requested_at,
    eligible,
    'floor' as batch
from read_parquet($path);

insert into impressions by name
select
    user_id || '|' || item_id || '|' || shown_at as impression_id,
    request_id,
    'scale' as source,
    item_id,
    0 as position,
    propensity,
    'log' as logging_policy,
    make_timestamp(shown_at) as shown_at,
    'floor' as batch
from read_parquet($path);

insert into outcomes by name
select
    user_id || '|' || item_id || '|' || shown_at as impression_id,
    'scale' as source,
    'click' as kind,
    clicked::double as reward,
    make_timestamp(shown_at) as outcome_at,
    'floor' as batch
from read_parquet($path);
