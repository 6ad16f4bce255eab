"""What a stage says in the log when it is done: an event with figures, not a sentence."""

from collections.abc import Mapping

Figure = str | int | float | bool | None
Figures = Mapping[str, Figure]
"""Figures of a line by name, in order; None is left out."""


def log_line(stage: str, figures: Figures) -> str:
    """One line: ``stage=update generation=42 rows=181233 seconds=41``.

    >>> log_line("update", {"rows": 12, "loss": 0.123456, "generation": None, "reason": "too few"})
    'stage=update rows=12 loss=0.1235 reason="too few"'
    """
    return " ".join([f"stage={stage}", *(f"{name}={_said(f)}" for name, f in figures.items() if f is not None)])


def _said(figure: Figure) -> str:
    if isinstance(figure, float):
        return f"{figure:.4g}"
    text = str(figure)
    if text and not any(c.isspace() or c in "\"'=" for c in text):
        return text
    return '"' + " ".join(text.split()).replace('"', "'") + '"'
