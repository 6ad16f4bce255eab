-- grain: item that can be shown: described, or shown before. Read by: publish.
select item_id from items where source = $source
union
select item_id from impressions where source = $source and shown_at < make_timestamp($cutoff)
order by item_id
