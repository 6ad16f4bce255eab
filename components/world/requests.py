"""Requests of a recorded log, and what a policy's choices in them are worth.

A request is one user's interactions in one period and scene; its eligible set is the items of those interactions.
The log knows what came of each, so the true value of any policy can be computed.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from components.domain import Doubles, Floats, Ints, Window, iso


@dataclass(frozen=True, slots=True)
class Log:
    """Interactions in order of time: n rows.

    `grade` says how strong an outcome was, nan where that is unknown; `context` maps a context field to its n
    raw values.
    """

    user_id: np.ndarray
    item_id: np.ndarray
    at: Ints
    reward: Floats
    grade: Floats
    context: dict[str, np.ndarray]

    def between(self, window: Window) -> "Log":
        """The rows of a window."""
        low, high = np.searchsorted(self.at, [window.start, window.cutoff])
        return self.take(np.arange(low, high))

    def take(self, index: Ints) -> "Log":
        """The rows at `index`."""
        context = {name: values[index] for name, values in self.context.items()}
        reward, grade = self.reward[index], self.grade[index]
        return Log(self.user_id[index], self.item_id[index], self.at[index], reward, grade, context)

    def __len__(self) -> int:
        return len(self.at)


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests of one window in order of time.

    Attributes
    ----------
    request_id : (r,) text. at : (r,) instant of the user's first interaction in the period.
    entries : the log's rows as eligible entries, those of request i at ``offsets[i]:offsets[i + 1]``.
    """

    request_id: np.ndarray
    at: Ints
    entries: Log
    offsets: Ints

    @property
    def request_of_entry(self) -> Ints:
        """(nnz,) request of each entry."""
        return np.repeat(np.arange(len(self.at)), np.diff(self.offsets))


def make_requests(log: Log, window: Window, period: int) -> Requests:
    """Group a window's interactions into requests, one per user, period (microseconds) and scene.

    A request has one context. Interactions whose context differs, such as in the tab they happened in, are of
    different scenes; of numbers, the request knows that of its first interaction. An item met twice by one user in
    one period and scene is one entry, the first.
    """
    rows = log.between(window)
    request = ["user", "period", "scene"]
    frame = pd.DataFrame(
        {
            "user": rows.user_id,
            "item": rows.item_id,
            "period": (rows.at - window.start) // period,
            "scene": _scenes(rows),
            "at": rows.at,
            "row": range(len(rows)),
        }
    ).drop_duplicates([*request, "item"])
    frame["first"] = frame.groupby(request)["at"].transform("min")
    frame = frame.sort_values(["first", *request, "at", "item"], kind="stable")
    same = (frame[request].to_numpy()[1:] == frame[request].to_numpy()[:-1]).all(1)
    starts = np.flatnonzero(np.r_[True, ~same])
    first = frame.iloc[starts]
    request_id = f"{iso(window.start)}+" + first["period"].astype(str) + first["scene"] + "|" + first["user"]
    offsets = np.append(starts, len(frame)).astype(np.int64)
    entries = _as_at_first(rows.take(frame["row"].to_numpy()), offsets)
    return Requests(request_id.to_numpy(object), first["first"].to_numpy(np.int64), entries, offsets)


def _scenes(log: Log) -> np.ndarray:
    """(n,) text of the context of each row, numbers left out; empty where there is none."""
    named = [n for n in sorted(log.context) if not all(v is None or isinstance(v, int | float) for v in log.context[n])]
    scenes = np.full(len(log), "", object)
    for name in named:
        scenes = scenes + np.array([f"|{name}={value}" for value in log.context[name]] + [None], object)[:-1]
    return scenes


def _as_at_first(entries: Log, offsets: Ints) -> Log:
    """The entries with the context of the first of their request."""
    first = np.repeat(offsets[:-1], np.diff(offsets))
    return replace(entries, context={name: values[first] for name, values in entries.context.items()})


def true_value(probability: Doubles, reward: Doubles | Floats, offsets: Ints) -> float:
    """Expected reward per request of a policy: mean over requests of ``sum_a pi(a) r(a)``.

    Parameters
    ----------
    probability, reward : (nnz,) per entry; offsets : (r + 1,).
    """
    return float(np.add.reduceat(probability * reward, offsets[:-1]).mean())


def random_value(reward: Doubles | Floats, offsets: Ints) -> float:
    """Value of the uniform choice."""
    return float((np.add.reduceat(reward, offsets[:-1]) / np.diff(offsets)).mean())


def oracle_value(reward: Doubles | Floats, offsets: Ints) -> float:
    """Value of a choice that knows every outcome."""
    return float(np.maximum.reduceat(reward, offsets[:-1]).mean())
