-- grain: item that can be shown: described, or shown by somebody else's log before $cutoff. What a caller of the service
-- names as eligible is ranked and never becomes servable by that. Read by: publish.
select item_id from items where source = $source
union
select item_id from impressions
where source = $source and generation is null and shown_at < make_timestamp($cutoff)
order by item_id
