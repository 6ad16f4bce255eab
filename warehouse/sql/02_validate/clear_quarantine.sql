-- grain: rejected row of one window. Read by: validate, before it writes the window's quarantine again.
delete from quarantine where source = $source and cutoff = make_timestamp($cutoff)
