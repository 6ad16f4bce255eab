-- grain: impression of `batch_impressions` that was shown inside [start, cutoff) and is brought again.
delete from impressions
where source = $source
    and shown_at >= make_timestamp($start)
    and shown_at < make_timestamp($cutoff)
    and impression_id in (select impression_id from batch_impressions)
