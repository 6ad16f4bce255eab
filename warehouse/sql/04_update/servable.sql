-- grain: item that can be shown: described, or shown by somebody else's log before $cutoff, and not hidden since. What a
-- caller of the service names as eligible is ranked and never becomes servable by that. Read by: publish.
select item_id from items where source = $source and not coalesce(hidden, false)
union
select item_id from impressions
where
    source = $source and generation is null and shown_at < make_timestamp($cutoff)
    and item_id not in (select item_id from items where source = $source and hidden)
union
select item_id from pruned_items
where
    source = $source and first_logged_at < make_timestamp($cutoff)
    and item_id not in (select item_id from items where source = $source and hidden)
order by item_id
