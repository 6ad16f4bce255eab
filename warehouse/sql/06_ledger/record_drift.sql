-- grain: one window.
insert or replace into drift_reports (source, cutoff, champion, action, reasons, state, report)
values ($source, make_timestamp($cutoff), $champion, $action, $reasons, $state, $report)
