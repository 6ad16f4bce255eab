"""What the stages of a turn import when they come to it, imported while Prefect's server starts: on the other core."""

from importlib import import_module

from components.compiled import make_ready

LATE = ("great_expectations.expectations", "evidently.legacy.calculations.stattests", "bentoml", "scipy.stats")
"""Five seconds of imports that a turn needs, of Great Expectations and Evidently above all."""


def preload() -> None:
    """Import them, and make ready for compiled loops, if there is a server to wait for."""
    from flows.stack.beside import is_ours

    if is_ours():
        for name in LATE:
            import_module(name)
        make_ready()
