"""What is wrong, and how to mend it: reads, and changes nothing."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

from flows.stack.check_engine import check_engine
from flows.stack.check_home import check_home
from flows.stack.check_log import check_log
from flows.stack.check_machine import check_machine
from flows.stack.check_stack import check_stack
from flows.stack.finding import Finding, mend
from flows.stack.homes import Homes, fault_of
from flows.workspace import Workspace

Check: TypeAlias = Callable[[Workspace], Iterator[Finding]]

OF_A_HOME: tuple[Check, ...] = (check_home, check_log, check_engine)
CHECKS: tuple[Check, ...] = (check_machine, *OF_A_HOME, check_stack)


def diagnose(workspace: Workspace) -> tuple[Finding, ...]:
    """Everything that was looked at; what cannot be looked at is a finding, too."""
    return tuple(one for check in CHECKS for one in _looked_at(check, workspace))


def diagnose_homes(homes: Homes) -> tuple[Finding, ...]:
    """The same of many homes: machine and stack once, and each home by its name."""
    stack = Workspace(homes.stack)
    found = [*_looked_at(check_machine, stack), *_looked_at(check_stack, stack)]
    for home in homes.homes:
        if fault := fault_of(home):
            found.append(mend(home.name, fault, f"mend it, or take {home.name} out of the file"))
        else:
            looked = [one for check in OF_A_HOME for one in _looked_at(check, home.workspace)]
            found += [one.model_copy(update={"said": f"{home.name}: {one.said}"}) for one in looked]
    return tuple(found)


def _looked_at(check: Check, workspace: Workspace) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check(workspace))
    except Exception as error:  # a doctor who falls ill says so and goes on
        first = (str(error).splitlines() or [""])[0][:200]
        room = check.__name__.removeprefix("check_")
        found.append(mend(room, f"cannot be looked at: {type(error).__name__}: {first}", "see what it names"))
    return found
