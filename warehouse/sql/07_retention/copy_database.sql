-- grain: table of the warehouse, all of them, into the database `fresh`. The slot is its own name.
copy from database {name} to fresh
