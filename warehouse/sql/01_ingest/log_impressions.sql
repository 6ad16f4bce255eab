-- grain: impression of a log, one a row; the slot says whether some may be named twice.
create or replace temp view {view} as
select
    impression_id,
    request_id,
    item_id,
    "position",
    propensity,
    null::double as score,
    null::double as logit,
    generation,
    'log' as logging_policy,
    "at"
from log_cells
