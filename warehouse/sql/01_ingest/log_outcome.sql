select impression_id, getvariable('kinds')[{number}] as kind, reward_{number} as reward, grade_{number} as grade, outcome_at
from log_cells
where reward_{number} is not null and outcome_at is not null
