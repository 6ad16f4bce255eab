-- grain: one script that the file has been through.
insert into migrations (number, name) values ($number, $name)
