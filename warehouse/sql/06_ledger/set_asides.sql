-- grain: one decision about a window, in order. Read by: halt, accept-window, quarantine, status, and whoever exports it.
select number, epoch_us(start) as start, epoch_us(cutoff) as cutoff, status, reasons, epoch_us(learnable_at) as learnable_at
from set_asides
where source = $source
order by number
