"""Which of all servable items a request without an eligible set is answered from.

Over ten thousand items a temperature that follows the order among a hundred is nearly a coin: the many middling items
outweigh the few good ones together. So the best by score are retrieved first, and a few others drawn evenly, which
keeps every item possible; the slate is drawn from those alone. They are the request's eligible set, logged as such:
given them its propensities are exact, and what is judged is the ranking of what was retrieved.
"""

from dataclasses import dataclass

import numpy as np

from components.serving.served import RankRequests, Served


@dataclass(frozen=True, slots=True)
class Retrieval:
    """How many `candidates` there are, and which share of them is drawn evenly from what is not among the best."""

    candidates: int
    explored: float

    def needed(self, servable: int) -> bool:
        """Whether there is more to choose from than candidates."""
        return servable > self.candidates

    def retrieve(self, served: Served, requests: RankRequests, rng: np.random.Generator) -> np.ndarray:
        """(candidates,) ids for one request whose eligible items are all servable ones; best first, then the others."""
        preference = served.score_eligible(requests).appraisal.preference
        fresh = min(round(self.explored * self.candidates), self.candidates - 1)
        order = np.argpartition(-preference, self.candidates - fresh - 1)
        best, rest = order[: self.candidates - fresh], order[self.candidates - fresh :]
        best = best[np.lexsort((best, -preference[best]))]
        drawn = rng.choice(rest, fresh, replace=False)
        return np.asarray(requests.item_id[np.append(best, np.sort(drawn))])
