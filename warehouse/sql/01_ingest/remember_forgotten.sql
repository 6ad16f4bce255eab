-- grain: forgotten user; the latest instant stands.
insert or replace into forgotten by name
select $source as source, $digest as user_digest, $key as user_key, make_timestamp($at) as forgotten_at
