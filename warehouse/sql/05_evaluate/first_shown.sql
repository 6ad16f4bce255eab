-- grain: item that was ever shown, with the instant of its first impression, be that in the warehouse no more. Read by:
-- evaluate, for the share of new items.
select item_id, epoch_us(min(first_at)) as first_at
from (
    select item_id, shown_at as first_at from impressions where source = $source
    union all
    select item_id, first_shown_at from pruned_items where source = $source
)
group by item_id
