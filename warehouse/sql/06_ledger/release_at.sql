-- grain: the promotion made at a cutoff, or none. Read by: publish, so that a resumed turn promotes once.
select release from releases where source = $source and cutoff = make_timestamp($cutoff) and kind = 'promotion'
