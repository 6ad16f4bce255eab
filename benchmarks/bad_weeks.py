"""Is a period whose log lies noticed in the turn it arrives, and does it do harm? On any source that can be replayed.

``python -m benchmarks.bad_weeks --source movietweetings --before 4`` breaks the fourth week; as does
``evercurrent drill --data`` in a simulated shop. ``--json`` prints the record.
"""

import argparse
from pathlib import Path

from flows.cli.drill_table import show_bad_weeks
from flows.cli.tables import watched
from flows.drill.bad_week import LIES, drill_data
from flows.workspace import enter, scratch


def main() -> None:
    """Drill the data of a source in a scratch home."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--source", default="movietweetings")
    words.add_argument("--data", default=None, help="the log, where the source ships none")
    words.add_argument("--before", type=int, default=4, help="turns before the bad one")
    words.add_argument("--only", nargs="*", default=None, help="cases by name")
    words.add_argument("--home", type=Path, default=None, help="keep the homes below this folder")
    words.add_argument("--json", action="store_true")
    asked = words.parse_args()
    lies = [lie for lie in LIES if asked.only is None or lie.name in asked.only]
    with scratch(asked.home) as root:
        enter(root)
        with watched(quiet=asked.json):
            record = drill_data(root, lies, asked.source, asked.data, asked.before)
    if asked.json:
        print(record.model_dump_json(indent=1))  # noqa: T201
    else:
        show_bad_weeks(record)


if __name__ == "__main__":
    main()
