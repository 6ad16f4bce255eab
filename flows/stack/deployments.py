"""The deployments of many homes, made of those of ``prefect.yaml``: one set per home, named after it.

Turns of all homes stand in one work queue, whose limit is how many may run at once; Prefect hands out what is due
longest first, so that every home gets its turn, and a run that waits there has no process yet. Everything else is
short, and stands in the pool's own queue, the homes a few minutes apart. A deployment has its limit of one, as with one
home.
"""

import re
from typing import Any

from flows.stack.environment import REPORTS
from flows.stack.homes import Home

TURNS = "turns"
"""The work queue of all homes' turns."""

TURN = "daily-loop"
"""The deployment of ``prefect.yaml`` that is a turn."""

APART = 3
"""Minutes between the same short runs of one home and the next."""

NOT_FOR_MANY = ("backfill",)
"""What plays a whole log into an empty home, which is none of these."""


def deployments_of(home: Home, number: int, template: dict[str, Any]) -> list[dict[str, Any]]:
    """The deployments of a home, as a file for ``prefect deploy`` has them.

    Parameters
    ----------
    number : the home's place in the file, from 0: shifts its short runs.
    template : what ``prefect.yaml`` says.
    """
    return [_of(home, number, one) for one in template["deployments"] if one["name"] not in NOT_FOR_MANY]


def file_of(homes: list[tuple[int, Home]], template: dict[str, Any]) -> dict[str, Any]:
    """A file for ``prefect deploy --all`` with the deployments of some homes and their places."""
    named = [one for number, home in homes for one in deployments_of(home, number, template)]
    kept = {key: value for key, value in template.items() if key not in ("build", "definitions", "deployments")}
    return {**kept, "deployments": named}


def tag_of(name: str) -> str:
    """The tag of a home's deployments: the UI shows by it what is one home's."""
    return f"home:{name}"


def _of(home: Home, number: int, one: dict[str, Any]) -> dict[str, Any]:
    turn = one["name"] == TURN
    queue = {"work_queue_name": TURNS} if turn else {}
    pool = {**one["work_pool"], **queue, "job_variables": _variables(home, one["work_pool"]["job_variables"])}
    schedules = [{**s, "cron": home.schedule if turn else shifted(s["cron"], number)} for s in one["schedules"]]
    made = {
        **one,
        "name": home.name,
        "tags": [*one["tags"], tag_of(home.name)],
        "parameters": {**one["parameters"], "home": str(home.folder)},
        "schedules": schedules,
        "work_pool": pool,
    }
    if turn:
        made["description"] = f"The turn of {home.name}; {home.schedule} UTC, and sooner where drift cannot wait."
    if "triggers" in one:
        made["triggers"] = [_about(home, trigger) for trigger in one["triggers"]]
    return made


def _variables(home: Home, told: dict[str, Any]) -> dict[str, Any]:
    """What the libraries keep goes to the run's own home, and its artifacts link to its own service."""
    own = {"EVERCURRENT_HOME": str(home.folder), "BENTOML_HOME": f"{home.folder}/bentoml"}
    if home.service_port is not None:
        own[REPORTS] = f"http://127.0.0.1:{home.service_port}/reports"
    return {**told, "env": {**told.get("env", {}), **own}}


def _about(home: Home, trigger: dict[str, Any]) -> dict[str, Any]:
    """Started by an event about this home alone."""
    return {**trigger, "match": {**trigger["match"], "evercurrent.home": str(home.folder)}}


def shifted(cron: str, number: int) -> str:
    """A cron line whose minute is later by three minutes a home, within its hour.

    >>> shifted("43 * * * *", 1), shifted("30 2 * * *", 11)
    ('46 * * * *', '3 2 * * *')
    >>> shifted("1-56/5 * * * *", 2), shifted("1-56/5 * * * *", 4)
    ('3-58/5 * * * *', '1-56/5 * * * *')
    """
    minute, rest = cron.split(" ", 1)
    if steps := re.fullmatch(r"(\d+)-(\d+)/(\d+)", minute):
        first, last, step = map(int, steps.groups())
        later = number % (step - 1)  # never on the hour, as the line that it is made of
        return f"{first + later}-{last + later}/{step} {rest}"
    return f"{(int(minute) + APART * number) % 60} {rest}"
