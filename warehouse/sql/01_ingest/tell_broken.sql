-- grain: broken record that no turn has told of yet: this one does.
update broken_records set cutoff = make_timestamp($cutoff) where source = $source and cutoff is null
