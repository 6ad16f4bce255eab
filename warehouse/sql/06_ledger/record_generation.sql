-- grain: one generation; written once.
insert or ignore into generations
    (generation, source, parent, start, cutoff, rows, grown, expired, bundle, manifest_digest)
values (
    $generation, $source, $parent, make_timestamp($start), make_timestamp($cutoff), $rows, $grown, $expired,
    $bundle, $manifest_digest
)
