-- grain: file of the decision log. Written in the transaction that brings what was read of it; what earlier readings counted is
-- added up.
insert into segments by name
select
    $source as source,
    $file as file,
    $bytes::bigint as bytes,
    $lines::bigint as lines,
    $crc::bigint as crc,
    $edge::bigint as edge,
    $written_ns::bigint as written_ns,
    $requests::bigint as requests,
    $outcomes::bigint as outcomes,
    $broken::bigint as broken,
    make_timestamp($first_at::bigint) as first_at,
    make_timestamp($last_at::bigint) as last_at
on conflict (source, file) do update set
    bytes = excluded.bytes,
    lines = excluded.lines,
    crc = excluded.crc,
    edge = excluded.edge,
    written_ns = excluded.written_ns,
    requests = segments.requests + excluded.requests,
    outcomes = segments.outcomes + excluded.outcomes,
    broken = segments.broken + excluded.broken,
    first_at = coalesce(least(segments.first_at, excluded.first_at), segments.first_at, excluded.first_at),
    last_at = coalesce(greatest(segments.last_at, excluded.last_at), segments.last_at, excluded.last_at)
