-- grain: item; key: source, item_id. The last batch to name an item wins; of what the service was told, each change once.
insert into items (source, item_id, attributes, changed_at, hidden)
select $source, entity_id, attributes, changed_at, hidden from batch_entities
on conflict (source, item_id) do update set
    attributes = case when excluded.hidden then items.attributes else excluded.attributes end,
    hidden = case when excluded.changed_at is null then items.hidden else excluded.hidden end,
    changed_at = coalesce(excluded.changed_at, items.changed_at)
where excluded.changed_at is null or items.changed_at is null or excluded.changed_at > items.changed_at
