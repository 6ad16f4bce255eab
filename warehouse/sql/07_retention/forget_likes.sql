-- grain: like of a user who was forgotten after it, of a day that was taken out.
delete from pruned_likes
where source = $source
    and exists (
        select 1
        from forgotten as f
        where f.source = pruned_likes.source
            and f.user_digest = sha256(pruned_likes.user_id)
            and pruned_likes.shown_at <= f.forgotten_at
    )
