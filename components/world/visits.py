"""The visits of people in a world whose truth is known: what could be shown to them, and how they answer each item.

A visit is a request of `components.world.requests` with the answers beside it, so that whoever plays it against a
running service can tell what was earned, and what a random choice or one that knew everything would have earned.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import JsonValue

from components.domain import ContractBroken, Doubles, Floats, Window, iso
from components.ingest.reward_rule import RewardRule
from components.ingest.source import Scalar
from components.ranker.features import RECENT
from components.world.requests import Log, Requests, make_requests


@dataclass(frozen=True, slots=True)
class Answer:
    """What a user says of one item: `value` and `grade` as a client tells them, `earned` what the source's rule makes
    of them, in the source's unit."""

    value: Scalar
    grade: float | None
    earned: float


@dataclass(frozen=True, slots=True)
class Visit:
    """One request that is to come.

    Attributes
    ----------
    at : instant of the log, microseconds.
    answers : item -> what the user says of it, if it is shown; its keys are the eligible set.
    context : what the client knows of the moment.
    """

    user_id: str
    at: int
    answers: Mapping[str, Answer]
    context: Mapping[str, JsonValue]

    def random(self, slate_size: int) -> float:
        """Expected reward of a slate drawn evenly: its size times the mean over the eligible items."""
        earned = [a.earned for a in self.answers.values()]
        return min(slate_size, len(earned)) * float(np.mean(earned))

    def oracle(self, slate_size: int) -> float:
        """Reward of the best slate there is."""
        return float(sum(sorted((a.earned for a in self.answers.values()), reverse=True)[:slate_size]))


def visits(log: Log, since: int, period: int, rule: RewardRule) -> Iterator[Visit]:
    """The visits from an instant on, in order of time: one per user, `period` (microseconds) and scene.

    Raises
    ------
    ContractBroken
        If the log ends before `since`.
    """
    if not len(log) or log.at[-1] < since:
        ends = iso(int(log.at[-1])) if len(log) else "before it begins"
        raise ContractBroken(f"the log ends {ends}; allowed is a start before that, received {iso(since)}")
    for start in range(since, int(log.at[-1]) + 1, period):
        window = Window(start, start + period)
        if len(log.between(window)):
            yield from _of(make_requests(log, window, period), rule)


def _of(requests: Requests, rule: RewardRule) -> Iterator[Visit]:
    entries, bounds = requests.entries, requests.offsets
    earned = rule.earned(entries.reward, entries.grade)
    for number, at in enumerate(requests.at.tolist()):
        rows = range(bounds[number], bounds[number + 1])
        answers = {str(entries.item_id[i]): _answer(rule, entries, earned, i) for i in rows}
        context = {name: _plain(values[rows[0]]) for name, values in entries.context.items() if name != RECENT}
        known = {name: value for name, value in context.items() if value is not None}
        yield Visit(str(entries.user_id[rows[0]]), at, answers, known)


def _answer(rule: RewardRule, entries: Log, earned: Floats | Doubles, row: int) -> Answer:
    reward, grade = float(entries.reward[row]), float(entries.grade[row])
    return Answer(*told(rule, reward, None if np.isnan(grade) else grade), float(earned[row]))


def told(rule: RewardRule, reward: float, grade: float | None) -> tuple[Scalar, float | None]:
    """A value of which `rule` makes this reward, and the grade to be told beside it.

    >>> told(RewardRule(kind="rating", at_least=8), 1.0, 9.0), told(RewardRule(kind="click", equals=1), 0.0, None)
    ((9.0, None), (0, None))
    """
    if rule.amounts is not None:
        return (grade or 0.0) + rule.amounts.low, None
    if rule.at_least is not None:
        if grade is not None and (grade >= rule.at_least) == bool(reward):
            return grade, None
        return (rule.at_least if reward else rule.at_least - 1), None
    allowed = (rule.equals,) if rule.equals is not None else rule.one_of
    if allowed is None:
        return reward, grade
    if reward:
        return next(value for value in allowed if value is not None), grade
    spoken = {str(value) for value in allowed}
    return next(value for value in (0, "no", "none") if str(value) not in spoken and value not in allowed), grade


def _plain(value: object) -> JsonValue:
    """A raw value of the context as JSON has it; None for a missing one."""
    found = value.item() if isinstance(value, np.generic) else value
    if isinstance(found, float) and np.isnan(found):
        return None
    if isinstance(found, list | tuple):
        return [str(one) for one in found]
    return found if isinstance(found, str | int | float | bool) else None
