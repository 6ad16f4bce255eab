-- grain: what is known of a forgotten user, unless it was told later.
delete from users
where source = $source
    and exists (
        select 1
        from forgotten as f
        where f.source = users.source
            and f.user_digest = sha256(users.user_id)
            and coalesce(users.changed_at, f.forgotten_at) <= f.forgotten_at
    )
