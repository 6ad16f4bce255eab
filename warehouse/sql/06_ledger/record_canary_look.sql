-- grain: one canary; its latest look. Written again by a resumed turn.
update canaries
set looked_at = make_timestamp($looked_at), look = $look
where generation = $generation
