"""What generations would have chosen, where the settings say: in this process, or by ranges of requests on a cluster.

Both come to the same bits.
"""

from collections.abc import Mapping

from components.ranker.features import Encoder
from flows.engine.choice_files import answer, ask, put_together
from flows.stages.choices import Asked, Choices, Rater, choices
from flows.turn import Turn
from flows.workspace import fresh_folder

FOLDER = "choices"


def chosen(turn: Turn, asked: Asked, encoder: Encoder, raters: Mapping[str, Rater]) -> dict[str, Choices]:
    """Rater -> what it would have done, as `flows.stages.choices.choices`.

    Raises
    ------
    Transient
        If the cluster cannot be reached, or did not bring it to its end.
    ContractBroken
        If it is another Evercurrent's, or refuses the token.
    """
    engine = turn.settings.engine
    if not engine.spreads(asked.entries):
        return choices(asked, encoder, raters)
    from flows.engine import ray_tasks  # the extra `ray` is there only for those who ask for it

    with fresh_folder(turn.folder / FOLDER) as folder:
        shares = ask(folder, asked, encoder, raters)
        ray_tasks.spread("choices", answer, folder, shares, engine)
        return put_together(folder, shares, raters)
