-- grain: user; key: source, user_id. The last batch to name a user wins; of what the service was told, each change once.
insert into users (source, user_id, attributes, changed_at)
select $source, entity_id, attributes, changed_at from batch_entities
on conflict (source, user_id) do update set
    attributes = excluded.attributes,
    changed_at = coalesce(excluded.changed_at, users.changed_at)
where excluded.changed_at is null or users.changed_at is null or excluded.changed_at > users.changed_at
