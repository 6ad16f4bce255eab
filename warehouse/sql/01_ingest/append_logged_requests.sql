-- grain: request; key: request_id. Of `batch_requests`, lines of the decision log between the instants $first and $last, what
-- no earlier reading brought: a line that was read before has the same instant, so that older facts are not looked at.
insert into requests by name
select
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
anti join (
    select request_id
    from requests
    where source = $source and requested_at >= make_timestamp($first) and requested_at <= make_timestamp($last)
) as r on r.request_id = b.request_id
qualify row_number() over (partition by b.request_id order by b."at") = 1
order by requested_at, b.request_id
