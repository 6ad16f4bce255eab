-- grain: one canary; its end. `ended_at` is the turn's cutoff, null where a person ended it.
update canaries
set verdict = $verdict, reasons = $reasons, ended_at = make_timestamp($ended_at)
where generation = $generation and verdict is null
