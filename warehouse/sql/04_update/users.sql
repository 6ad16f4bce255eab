-- grain: user of a source, with attributes. Read by: update, publish (the bundle carries them).
select user_id as id, attributes from users where source = $source order by user_id
