-- grain: item that is not served any more. Read by: publish (a bundle names them, so that nobody can ask for one).
select item_id from items where source = $source and hidden order by item_id
