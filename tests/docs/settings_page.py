"""Writes docs/settings.md from the settings themselves: ``python -m tests.docs.settings_page``."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from components.settings import Settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"

HEAD = """# Settings

What differs from the defaults goes into `evercurrent.toml` in the home folder, one table per stage. Unknown keys are
errors. The unit, reason and source of every default stand beside it in the stage's settings class. This page is written
by `python -m tests.docs.settings_page`.

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


def _stages() -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield name, kind


def _section(name: str, kind: type[BaseModel]) -> str:
    rows = "".join(f"| `{key}` | {_default(field.default)} |\n" for key, field in kind.model_fields.items())
    return f"\n## `[{name}]`\n\n`{kind.__module__}.{kind.__name__}`\n\n| key | default |\n|---|---|\n{rows}"


def _default(value: object) -> str:
    if isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        return f"{len(value)} entries, see the class"
    return f"`{value!r}`"


if __name__ == "__main__":
    PAGE.write_text(settings_page())
