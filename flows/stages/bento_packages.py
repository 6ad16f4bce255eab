"""Which packages a Bento needs: those that its service imports, found in the code instead of listed by hand.

The walk begins at the service and follows imports through `bento` and `components`, those inside functions too: what is
imported only when a request needs it is needed. Code that only type checkers read is left out.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path

OURS = ("bento", "components")


@cache
def packages(root: Path, service: str = "bento.service") -> tuple[str, ...]:
    """Requirements such as ``numpy==2.4.6``, sorted: the installed versions of what `service` imports below `root`.

    A build such as ``+cpu`` is left out: another machine may need another.
    """
    known = packages_distributions()
    names = {known[name][0] for name in _external(root, service) if name in known}
    return tuple(f"{name}=={version(name).partition('+')[0]}" for name in sorted(names, key=str.lower))


def _external(root: Path, service: str) -> set[str]:
    """Top-level names of other people's modules that `service` imports, directly or through ours."""
    seen, found, waiting = set[str](), set[str](), [service]
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        for name in _imports(root, module):
            top = name.partition(".")[0]
            if top in OURS:
                waiting.append(name)
            elif top not in sys.stdlib_module_names:
                found.add(top)
    return found


def _imports(root: Path, module: str) -> Iterator[str]:
    path = _source(root, module)
    if path is not None:
        yield from _named(ast.parse(path.read_text()))


def _source(root: Path, module: str) -> Path | None:
    """The file of a module; None for a name inside one, whose module is walked by itself."""
    path = root.joinpath(*module.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


def _named(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Import):
            yield from (name.name for name in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield child.module
            yield from (f"{child.module}.{name.name}" for name in child.names)
        else:
            yield from _named(child)
