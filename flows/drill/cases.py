"""The cases of the drill: clean controls, which must pass, and mishaps, which must not."""

from dataclasses import dataclass

from flows.drill import sabotage
from flows.drill.scene import Sabotage


@dataclass(frozen=True)
class Case:
    """One generation that goes through the loop.

    Attributes
    ----------
    mishap : what happened to it, in a few words. sabotage : None for a clean control.
    by_hand : somebody releases it whatever the gate said; the turns after that have to roll it back.
    """

    name: str
    mishap: str
    sabotage: Sabotage | None = None
    by_hand: bool = False

    @property
    def sound(self) -> bool:
        """Whether it deserves its release."""
        return self.sabotage is None


CASES = (
    Case("clean", "nothing: an update as it is"),
    Case("sign_flipped", "every logit of the ranker has the wrong sign", sabotage.sign_flipped),
    Case("weights_shuffled", "the weights are there, in another order", sabotage.weights_shuffled),
    Case("table_zeroed", "the embedding table was not loaded", sabotage.table_zeroed),
    Case("ids_shifted", "every id reads its neighbour's row", sabotage.ids_shifted),
    Case("not_a_number", "the weights overflowed", sabotage.not_a_number),
    Case("outcomes_permuted", "trained on the outcomes of other impressions", sabotage.outcomes_permuted),
    Case("exploration_off", "the best item always, nothing else ever", sabotage.exploration_off),
    Case("too_random", "half of all slates drawn by lot", sabotage.too_random),
    Case("foreign_memory", "the memory of a model trained apart", sabotage.foreign_memory),
    Case("memory_not_rebased", "the champion's memory beside new weights", sabotage.memory_not_rebased),
    Case("worse_by_3_percent", "a policy worth exactly 97 % of the champion's", sabotage.worse_by(0.03)),
    Case("too_random_by_hand", "slates by lot, released by hand", sabotage.too_random, by_hand=True),
    Case("outcomes_permuted_by_hand", "permuted outcomes, released by hand", sabotage.outcomes_permuted, by_hand=True),
)
"""All of them. By name: the keys of ``evercurrent drill --json`` and of the benchmark's ``drill``."""
