-- grain: catalogue of `named` (registered: catalogue) with its items.
select c.catalogue, c.items
from catalogues as c
semi join named as n on n.catalogue = c.catalogue
where c.source = $source
