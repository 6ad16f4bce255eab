-- grain: one generation that serves a share of the users first; sent out once, however often its turn is resumed.
insert or ignore into canaries (generation, source, champion, began_at, settings)
values ($generation, $source, $champion, make_timestamp($began_at), $settings)
