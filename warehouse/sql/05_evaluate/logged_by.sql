-- grain: shown position of a request that $generation answered and that had matured as a whole before $cutoff;
-- the first was shown at $since (`first_logged`), its request made from $asked on (`asked_since`).
-- Read by: evaluate, to hold what a release earned against what was promised of it.
with rejected as (
    select row_id from quarantine where source = $source and table_name = 'impressions'
),
shown as (
    select i.request_id, count(*) as positions
    from impressions as i
    anti join rejected as x on x.row_id = i.impression_id
    where i.source = $source and i.generation = $generation
    group by i.request_id
),
known as (
    select * from matured(
        $source, $kind, $attribution, make_timestamp($since), make_timestamp($cutoff), make_timestamp($asked)
    )
    where generation = $generation and matured_at < make_timestamp($cutoff)
),
whole as (
    select k.request_id
    from known as k
    join shown as s on s.request_id = k.request_id
    group by k.request_id
    having count(*) = max(s.positions)
)
select k.request_id, k.user_id, epoch_us(k.shown_at) as "at", k.position, k.reward, k.grade
from known as k
semi join whole as w on w.request_id = k.request_id
order by k.request_id, k.position
