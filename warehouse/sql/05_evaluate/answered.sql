-- grain: shown position of a request made at $start or later, by whichever generation, that had matured as a whole
-- before $cutoff; made from $asked on (`asked_since`). Read by: canary, to compare two generations on their own traffic.
with rejected as (
    select row_id from quarantine where source = $source and table_name = 'impressions'
),
shown as (
    select i.request_id, count(*) as positions
    from impressions as i
    anti join rejected as x on x.row_id = i.impression_id
    where i.source = $source and i.shown_at >= make_timestamp($start)
    group by i.request_id
),
known as (
    select * from matured(
        $source, $kind, $attribution, make_timestamp($start), make_timestamp($cutoff), make_timestamp($asked)
    )
    where shown_at >= make_timestamp($start) and matured_at < make_timestamp($cutoff)
),
whole as (
    select k.request_id
    from known as k
    join shown as s on s.request_id = k.request_id
    group by k.request_id
    having count(*) = max(s.positions)
)
select k.request_id, k.user_id, k.generation, epoch_us(k.shown_at) as at, k.position, k.reward, k.grade
from known as k
semi join whole as w on w.request_id = k.request_id
order by k.request_id, k.position
