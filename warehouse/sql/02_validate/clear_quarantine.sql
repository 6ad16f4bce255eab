-- grain: rejected row. Read by: validate, before it writes what it rejects of [start, cutoff): what earlier looks at that
-- stretch said, and a turn that is resumed, is replaced, so that a row stands here once. A refresh looks at the end of an
-- open window: what was rejected before it in that window stays.
with opened as (
    select coalesce(max(cutoff), make_timestamp($start)) as "at"
    from windows
    where source = $source and finished and cutoff <= make_timestamp($start)
),
shown as (
    select impression_id
    from impressions
    where source = $source and shown_at >= make_timestamp($start) and shown_at < make_timestamp($cutoff)
),
asked as (
    select request_id
    from requests
    where source = $source and requested_at >= make_timestamp($start) and requested_at < make_timestamp($cutoff)
)
delete from quarantine
where source = $source
    and cutoff > (select "at" from opened)
    and cutoff <= make_timestamp($cutoff)
    and (
        (select "at" from opened) = make_timestamp($start)
        or (table_name = 'impressions' and row_id in (select impression_id from shown))
        or (table_name = 'requests' and row_id in (select request_id from asked))
        or (table_name = 'outcomes' and regexp_replace(row_id, '/[^/]*$', '') in (select impression_id from shown))
    )
