-- grain: item that was ever shown, with the instant of its first impression. Read by: evaluate, for the share of new items.
select item_id, epoch_us(min(shown_at)) as first_at from impressions where source = $source group by item_id
