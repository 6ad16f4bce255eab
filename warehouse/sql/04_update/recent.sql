-- grain: one of the latest $width items that a user liked, as it was known when he was asked about: only outcomes that
-- had matured before that instant. `asked` (registered) has a row per question: number, user_id, at (microseconds).
-- `age` is 0 for the newest. Read by: the loop, for requests whose log does not say what the service knew.
with likes_of_asked as (
    select l.* from likes($source, $kind, $attribution) as l semi join asked as a on a.user_id = l.user_id
),
instants as (
    select user_id, matured_at, max(number) as newest from likes_of_asked group by user_id, matured_at
),
known as (
    select a.number as question, i.user_id, i.newest
    from asked as a
    asof join instants as i on i.user_id = a.user_id and make_timestamp(a."at") > i.matured_at
)
select k.question, k.newest - l.number as age, l.item_id
from known as k
join likes_of_asked as l on l.user_id = k.user_id and l.number <= k.newest and l.number > k.newest - $width
order by k.question, age
