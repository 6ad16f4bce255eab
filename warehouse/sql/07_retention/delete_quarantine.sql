-- grain: rejected row of `going`; goes before what it is found by.
delete from quarantine
where source = $source and row_id in (select row_id from going_quarantine)
