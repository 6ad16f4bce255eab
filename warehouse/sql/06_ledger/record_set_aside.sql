-- grain: one decision about a window; append-only. One that stands already is not repeated.
insert into set_asides (number, source, start, cutoff, status, reasons, learnable_at)
select
    (select coalesce(max(number), 0) + 1 from set_asides),
    $source,
    make_timestamp($start),
    make_timestamp($cutoff),
    $status,
    $reasons,
    make_timestamp($learnable_at)
where not exists (
    select 1
    from decided_windows($source)
    where start = make_timestamp($start) and cutoff = make_timestamp($cutoff) and status = $status
)
