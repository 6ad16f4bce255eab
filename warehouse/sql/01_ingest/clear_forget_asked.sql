-- grain: user who was asked to be forgotten until an instant each, and is: `done` (registered: user_id, at).
delete from forget_asked
where source = $source
    and exists (
        select 1 from done as d where d.user_id = forget_asked.user_id and forget_asked.asked_at <= make_timestamp(d."at")
    )
