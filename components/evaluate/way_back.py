"""Could the log that a challenger would leave judge a return to the champion?

Every generation writes the log that its successor is judged on, and that a roll-back is decided on. A challenger that
no longer tries what the champion would show may well be better today; from the day it answers, nobody else can be
judged: what it never shows has no outcome (Langford, Strehl and Wortman 2008, Exploration scavenging, section 3, on
policies without exploration; the same figure, read forwards, is the support of the target in `diagnostics`).

Both policies are known on every eligible entry, so the weights of that log are known before it is written:
``w(a | x) = champion(a | x) / challenger(a | x)``. An entry whose weight alone would be more than the largest share
that one user may hold of a log as long as today's carries no verdict. The figure is the champion's probability on
such entries; it is a mean over requests of sums, with no draw in it but that of the requests.
"""

import numpy as np

from components.domain import Doubles, Refused
from components.evaluate.logged_decisions import LoggedDecisions
from components.evaluate.settings import EvaluateSettings


def way_back(log: LoggedDecisions, target: Doubles, champion: Doubles, settings: EvaluateSettings) -> Refused | None:
    """Why no way leads back from the challenger, or None.

    Parameters
    ----------
    target, champion : (nnz,) conditional probabilities of the challenger and of the champion on the entries of `log`.

    Returns
    -------
    A refusal if the champion puts more than `unsupported_mass` on entries whose weight on the challenger's own log
    would exceed `largest_weight_share` of as many users.
    """
    most = max(settings.largest_weight_share * max(log.users, settings.minimum_users), 1.0)
    lost = float(np.where(champion > most * target, champion, 0.0).sum() / len(log))
    if lost <= settings.unsupported_mass:
        return None
    return Refused(
        "share of the champion's choices that the challenger's own log could not judge",
        lost,
        settings.unsupported_mass,
        "it explores too little to be compared with anybody again: raise policy.epsilon or policy.temperature",
    )
