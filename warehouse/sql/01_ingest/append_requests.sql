-- grain: request; key: request_id. Appends the requests of `batch_requests` that no earlier batch brought.
insert into requests by name
select
    b.request_id,
    $source as source,
    b.user_id,
    make_timestamp(b."at") as requested_at,
    b.generation,
    b.context,
    b.eligible,
    $digest as batch
from batch_requests as b
anti join requests as r on r.request_id = b.request_id and r.source = $source
