-- grain: item of a source, with attributes. Read by: update, publish (the bundle carries them).
select item_id as id, attributes from items where source = $source order by item_id
