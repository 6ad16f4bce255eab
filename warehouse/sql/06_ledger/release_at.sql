-- grain: the release made by a turn, or none. Read by: publish, so that a resumed turn moves the pointer once.
select release from releases where source = $source and cutoff = make_timestamp($cutoff)
