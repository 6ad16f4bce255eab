"""Writes docs/settings.md from the settings themselves: ``python -m tests.docs.settings_page``."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from pydantic import BaseModel, SecretStr

from components.settings import Settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"

HEAD = """# Settings

What differs from the defaults goes into `evercurrent.toml` in the home folder, one table per stage. Unknown keys are
errors. This page is made of the settings classes and what stands under their fields:
`python -m tests.docs.settings_page`.

```toml
[evaluate]
margin = 0.03

[policy]
temperature = 0.4
```

`seed = 0` at the top of the file feeds every generator of a run.
"""


def settings_page() -> str:
    """The page as it should be."""
    return HEAD + "".join(_section(name, kind) for name, kind in _stages())


def _stages(of: type[BaseModel] = Settings, above: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in of.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            if not all(_is_table(inner.annotation) for inner in kind.model_fields.values()):
                yield f"{above}{name}", kind
            yield from _stages(kind, f"{above}{name}.")


def _is_table(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _section(name: str, kind: type[BaseModel]) -> str:
    said = _meanings(kind)
    rows = "".join(
        f"| `{key}` | {_default(field.default)} | {said[key]} |\n" for key, field in kind.model_fields.items()
    )
    return (
        f"\n## `[{name}]`\n\n`{kind.__module__}.{kind.__name__}`\n\n| key | default | meaning |\n|---|---|---|\n{rows}"
    )


def _meanings(kind: type[BaseModel]) -> dict[str, str]:
    """Field -> the sentences that stand under it, on one line; every field has some."""
    lines = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(lines, ast.ClassDef)
    found = {}
    for field, said in pairwise(lines.body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            text = ast.literal_eval(said.value) if isinstance(said, ast.Expr) else ""
            found[field.target.id] = " ".join(text.split()).replace("|", "\\|")
    return found


def _default(value: object) -> str:
    if isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        return f"{len(value)} entries, see the class"
    return f"`{(value.get_secret_value() if isinstance(value, SecretStr) else value)!r}`"


if __name__ == "__main__":
    PAGE.write_text(settings_page())
