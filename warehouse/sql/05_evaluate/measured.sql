-- grain: shown position of the requests in `asked` (registered: request_id) that had an outcome of $kind in time;
-- none was made before $asked (`asked_since`).
-- Read by: evaluate, for metrics beside the reward.
select i.request_id, i.position, max(o.reward) as reward, max(o.grade) as grade
from impressions as i
join outcomes as o on o.impression_id = i.impression_id and o.source = $source
semi join asked as a on a.request_id = i.request_id
where i.source = $source
    and i.shown_at >= make_timestamp($asked)
    and o.outcome_at >= make_timestamp($asked)
    and o.kind = $kind
    and ($attribution is null or o.outcome_at <= i.shown_at + to_microseconds(($attribution * 1e6)::bigint))
group by i.request_id, i.position
