-- grain: request in the file $requests of a user who was forgotten after it. Read by: forget.
create or replace temp table forgotten_requests as
select distinct q.request_id
from read_parquet($requests, hive_partitioning = false) as q
join forgotten as f on f.user_digest = sha256(q.user_id) and make_timestamp(q."at") <= f.forgotten_at
where f.source = $source
