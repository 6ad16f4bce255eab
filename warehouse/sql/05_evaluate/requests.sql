-- grain: request of `requested` (registered: request_id), with what could have been shown and how many positions were;
-- none was made before $asked (`asked_since`). `broken` counts those set aside by a contract. Read by: evaluate.
with rejected as (
    select table_name, row_id from quarantine where source = $source
),
shown as (
    select i.request_id, count(*) as positions, count(x.row_id) as broken
    from impressions as i
    semi join requested as r on r.request_id = i.request_id
    left join rejected as x on x.row_id = i.impression_id and x.table_name = 'impressions'
    where i.source = $source and i.shown_at >= make_timestamp($asked)
    group by i.request_id
)
select q.request_id, q.user_id, epoch_us(q.requested_at) as "at", q.generation, q.context, q.eligible, q.eligible_of, s.positions, s.broken
from requests as q
join shown as s on s.request_id = q.request_id
anti join rejected as x on x.row_id = q.request_id and x.table_name = 'requests'
where q.source = $source and q.requested_at >= make_timestamp($asked)
order by q.requested_at, q.request_id
