"""What is wrong, and how to mend it: reads, and changes nothing."""

from collections.abc import Callable, Iterator

from flows.stack.check_home import check_home
from flows.stack.check_log import check_log
from flows.stack.check_machine import check_machine
from flows.stack.check_stack import check_stack
from flows.stack.finding import Finding, mend
from flows.workspace import Workspace

CHECKS: tuple[Callable[[Workspace], Iterator[Finding]], ...] = (check_machine, check_home, check_log, check_stack)


def diagnose(workspace: Workspace) -> tuple[Finding, ...]:
    """Everything that was looked at; what cannot be looked at is a finding, too."""
    found: list[Finding] = []
    for check in CHECKS:
        try:
            found.extend(check(workspace))
        except Exception as error:  # a doctor who falls ill says so and goes on
            first = (str(error).splitlines() or [""])[0][:200]
            room = check.__name__.removeprefix("check_")
            found.append(mend(room, f"cannot be looked at: {type(error).__name__}: {first}", "see what it names"))
    return tuple(found)
