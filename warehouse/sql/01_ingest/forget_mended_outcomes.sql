-- grain: outcome of an impression of `batch_impressions` that was shown inside [start, cutoff); read before those go.
delete from outcomes
where source = $source
    and impression_id in (
        select i.impression_id
        from impressions as i
        semi join batch_impressions as b on b.impression_id = i.impression_id
        where i.source = $source
            and i.shown_at >= make_timestamp($start)
            and i.shown_at < make_timestamp($cutoff)
    )
