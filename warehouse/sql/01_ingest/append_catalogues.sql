-- grain: catalogue of `batch_catalogues` (registered: catalogue, items) that is not here yet.
insert into catalogues by name
select $source as source, b.catalogue, b.items
from batch_catalogues as b
anti join catalogues as c on c.catalogue = b.catalogue and c.source = $source
