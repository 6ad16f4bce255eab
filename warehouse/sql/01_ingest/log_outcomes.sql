-- grain: outcome of a log; the slot holds `log_outcome` once for each kind.
create or replace temp view {view} as
{outcomes}
