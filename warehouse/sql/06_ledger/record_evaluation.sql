-- grain: one judgement of the gate.
insert or replace into evaluations (source, cutoff, challenger, champion, verdict, reasons, report)
values ($source, make_timestamp($cutoff), $challenger, $champion, $verdict, $reasons, $report)
