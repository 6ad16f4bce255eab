-- grain: generation of one file of the decision log, of those in `read` (registered: file), with the catalogue it named last.
select c.file, c.generation, c.catalogue
from segment_catalogues as c
semi join "read" as r on r.file = c.file
where c.source = $source
