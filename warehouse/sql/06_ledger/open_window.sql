-- grain: one turn; opening it again changes nothing.
insert or ignore into windows (source, cutoff, start, finished)
values ($source, make_timestamp($cutoff), make_timestamp($start), false)
