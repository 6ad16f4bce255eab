-- grain: item of `going`: when it was shown first, and first by somebody else's log.
insert into pruned_items (source, item_id, first_shown_at, first_logged_at)
select
    $source,
    item_id,
    make_timestamp(min("at")),
    make_timestamp(min("at") filter (where generation is null))
from going_impressions
where item_id is not null
group by item_id
on conflict (source, item_id) do update set
    first_shown_at = least(pruned_items.first_shown_at, excluded.first_shown_at),
    first_logged_at = least(pruned_items.first_logged_at, excluded.first_logged_at)
