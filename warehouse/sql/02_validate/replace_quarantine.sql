-- grain: rejected row. A resumed turn writes its quarantine anew.
insert into quarantine select $source, make_timestamp($cutoff), table_name, row_id, reason from batch_quarantine
