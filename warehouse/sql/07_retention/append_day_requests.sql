-- grain: request; key: request_id. As `append_requests`, of a day that left a warehouse: what was eligible may be a
-- catalogue of `batch_catalogues`.
insert into requests by name
select distinct
    b.request_id,
    $source as source,
    b.user_id,
    make_timestamp(b."at") as requested_at,
    b.generation,
    b.context,
    b.eligible,
    b.eligible_of,
    $digest as batch
from batch_requests as b
anti join requests as r on r.request_id = b.request_id and r.source = $source
