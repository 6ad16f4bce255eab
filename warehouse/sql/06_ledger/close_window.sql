-- grain: one turn. The last write of a turn.
update windows
set requests = $requests, impressions = $impressions, turn = $turn, finished = true
where source = $source and cutoff = make_timestamp($cutoff)
