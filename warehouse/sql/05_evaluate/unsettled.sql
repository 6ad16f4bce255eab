-- grain: accepted request of [start, cutoff) of which not every accepted impression has matured before the cutoff;
-- requests of windows that are set aside wait for nothing, nor does any wait for what came after its window was closed.
-- Nothing of theirs was shown before $asked (`asked_since`). Read by: read, to count the held-out ones that wait.
with rejected as (
    select table_name, row_id from quarantine where source = $source
),
asked as (
    select q.request_id, q.user_id, q.requested_at
    from requests as q
    anti join rejected as x on x.row_id = q.request_id and x.table_name = 'requests'
    anti join aside($source) as a on q.requested_at >= a.start and q.requested_at < a.cutoff
    where q.source = $source and q.requested_at >= make_timestamp($start) and q.requested_at < make_timestamp($cutoff)
),
shown as (
    select i.request_id, count(*) as positions
    from impressions as i
    semi join asked as a on a.request_id = i.request_id
    anti join rejected as x on x.row_id = i.impression_id and x.table_name = 'impressions'
    where i.source = $source and i.shown_at >= make_timestamp($asked) and i.known_from is null
    group by i.request_id
),
known as (
    select m.request_id, count(*) as positions
    from matured($source, $kind, $attribution, make_timestamp($asked), make_timestamp($cutoff), make_timestamp($asked)) as m
    semi join asked as a on a.request_id = m.request_id
    where m.settled_at < make_timestamp($cutoff) and m.known_from is null
    group by m.request_id
)
select a.request_id, a.user_id, epoch_us(a.requested_at) as requested_at
from asked as a
join shown as s on s.request_id = a.request_id
left join known as k on k.request_id = a.request_id
where coalesce(k.positions, 0) < s.positions
order by a.requested_at, a.request_id
