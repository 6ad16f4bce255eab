-- grain: broken record that names somebody: the text in the parameter, as a line has it.
delete from broken_records where source = $source and contains(decode(raw), $named)
