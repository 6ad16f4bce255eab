-- grain: one window.
insert or replace into validations (source, cutoff, accepted, quarantined, report)
values ($source, make_timestamp($cutoff), $accepted, $quarantined, $report)
