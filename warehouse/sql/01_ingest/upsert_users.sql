-- grain: user; key: source, user_id. The last batch to name a user wins.
insert or replace into users select $source, entity_id, attributes from batch_entities
