-- grain: item; key: source, item_id. The last batch to name an item wins.
insert or replace into items select $source, entity_id, attributes from batch_entities
