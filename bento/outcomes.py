"""An outcome that is told: what it earned, and whether it is the first of its impression and kind."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bento.log import Earned, Log, Receipt
from bento.metrics import OUTCOMES
from bento.schemas import OutcomeRequest, OutcomeResponse
from components.domain import ContractBroken
from components.ingest.log_lines import OutcomeLine
from components.ingest.reward_rule import RewardRule
from components.serving.live_memory import LiveMemory

Status = Literal["accepted", "repeated", "refused", "unknown"]


class NeverShown(ContractBroken):
    """An outcome of an impression that nobody was shown."""


@dataclass(frozen=True, slots=True)
class Told:
    """An outcome on its way into the log."""

    rule: RewardRule
    earned: Earned
    receipt: Receipt

    def answer(self) -> OutcomeResponse:
        """What the teller is answered, once the log was synced: the first outcome counts.

        Raises
        ------
        Transient
            If it may not be in the log.
        """
        status: Status = "refused"
        try:
            earlier = self.receipt.settled()
            status = "accepted" if earlier is None else "repeated"
        finally:
            OUTCOMES.labels(status).inc()
        counts = self.earned if earlier is None else earlier
        return OutcomeResponse(accepted=earlier is None, reward=self.rule.earned_by(*counts))


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Takes outcomes into a log; `retention_days` is how long after an impression it may be told."""

    log: Log
    clock: Callable[[], int]
    retention_days: float

    def take(self, live: LiveMemory, told: OutcomeRequest) -> Told:
        """Hand one to the log.

        Raises
        ------
        NeverShown
            If its impression is unknown.
        ContractBroken
            If it is none that the generation learns or takes down.
        Transient
            If the log takes nothing.
        """
        try:
            return self._taken(live, told)
        except Exception as error:
            status: Status = "unknown" if isinstance(error, NeverShown) else "refused"
            OUTCOMES.labels(status).inc()
            raise

    def _taken(self, live: LiveMemory, told: OutcomeRequest) -> Told:
        if live.find(told.impression_id) is None:
            raise NeverShown(
                f"impression_id {told.impression_id!r} is unknown; allowed are those answered by /rank within "
                f"{self.retention_days:g} days"
            )
        learned = live.served.outcome
        rule = learned if told.kind == learned.kind else learned.beside(told.kind)
        earned = Earned(rule.reward(told.kind, told.value), rule.grade(told.value, told.grade))
        line = OutcomeLine(told.impression_id, told.kind, told.value, earned.reward, self.clock(), earned.grade)
        return Told(rule, earned, self.log.tell(line, lambda: _known(live, told)))


def _known(live: LiveMemory, told: OutcomeRequest) -> Earned | None:
    known = live.outcome_of(told.impression_id, told.kind)
    return None if known is None else Earned(known.reward, known.grade)
