-- grain: request of a row in `replay_candidates`, made from $asked on in one of the seconds of which the draw looks at one in
-- $least; with $least 1 in any. Most rows are shown in the second in which they were asked for, and instants are quick to
-- look through where ids are not. Read by: replayed.
create or replace temp table replay_requests as
select q.request_id, q.source, q.user_id, q.requested_at, q.context
from requests as q
semi join replay_candidates as c on c.request_id = q.request_id
where q.source = $source
    and q.requested_at >= make_timestamp($asked)
    and hash(xor(hash(epoch_us(q.requested_at) // 1000000), $seed::ubigint)) & ($least - 1)::ubigint = 0
