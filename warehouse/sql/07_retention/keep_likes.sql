-- grain: impression of `going` whose item its user liked. Read by: the macro `likes`, when the facts are gone.
insert into pruned_likes (source, impression_id, user_id, item_id, shown_at, matured_at)
select $source, m.impression_id, m.user_id, m.item_id, m.shown_at, m.matured_at
from matured($source, $kind, $attribution, '-infinity'::timestamp, make_timestamp($cutoff), '-infinity'::timestamp) as m
semi join going as g on g.request_id = m.request_id
where m.reward >= 0.5
