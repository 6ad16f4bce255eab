"""The recorded-log world: what the policy may see, and what the world knows."""

import json
from dataclasses import replace

import numpy as np
import pytest

from components.domain import DAY, HOUR, Examples, Floats, Prediction, Window
from components.feature_spec import FeatureSpec, Field, FieldKind, FieldOf
from components.ingest.reward_rule import RewardRule
from components.policy.plackett_luce import PlackettLuce
from components.policy.settings import PolicySettings
from components.ranker.history import History, Likes
from components.serving.served import Served
from components.world.recorded_log import Beside, Rules, play
from components.world.requests import Log, make_requests, oracle_value, random_value, true_value

WINDOW = Window(0, DAY)
RULES = Rules(period=DAY, slate_size=1, lag=HOUR, outcome_kind="like")


def log_of(rows: list[tuple[str, str, int, float]]) -> Log:
    user, item, at, reward = zip(*rows, strict=True)
    rewards = np.array(reward, np.float32)
    grades = np.full(len(rewards), np.nan, np.float32)
    return Log(np.array(user, object), np.array(item, object), np.array(at) * HOUR, rewards, grades, {})


LOG = log_of(
    [("ann", "x", 1, 1.0), ("bob", "x", 2, 0.0), ("ann", "y", 3, 0.0), ("ann", "x", 4, 0.0), ("bob", "z", 25, 1.0)]
)


class Spy:
    """A ranker, memory and encoder in one that writes down what it is shown, and when."""

    def __init__(self) -> None:
        self.learned: list[tuple[int, float]] = []
        self.known_at_read: list[int] = []

    def encode(self, user_ids: np.ndarray, item_ids: np.ndarray, at: np.ndarray, context: object) -> Examples:
        return Examples(np.zeros((len(at), 1), np.uint64), np.zeros((len(at), 0), np.float32), at)

    def predict(self, examples: Examples) -> Prediction:
        return Prediction(np.zeros(len(examples), np.float32), np.zeros((len(examples), 1), np.float32))

    def compensate(self, examples: Examples, prediction: Prediction) -> Floats:
        self.known_at_read.append(len(self.learned))
        return prediction.logit

    def log_amount(self, examples: Examples) -> None:
        return None

    def learn(self, examples: Examples, prediction: Prediction, reward: Floats, grade: Floats | None) -> None:
        self.learned += list(zip(examples.at.tolist(), reward.tolist(), strict=True))


def spied(spy: Spy | None = None, history: History | None = None) -> Served:
    """A generation whose ranker, memory and encoder are one spy: its `memory`."""
    spy, nothing = spy or Spy(), np.empty(0, object)
    policy, rule = PlackettLuce(PolicySettings()), RewardRule(kind="like")
    return Served(3, 0, spy, spy, spy, policy, rule, nothing, history=history)  # type: ignore[arg-type]


def test_interactions_in_two_scenes_are_two_requests_that_log_their_scene() -> None:
    context = {"tab": np.array(["feed" if i % 2 else "search" for i in range(len(LOG))], object)}
    log = replace(LOG, context=context | {"depth": np.arange(len(LOG)).astype(object)})
    requests = make_requests(log, WINDOW, DAY)
    assert len(set(requests.request_id)) == len(requests.request_id) > len(make_requests(LOG, WINDOW, DAY).request_id)
    for low, high in zip(requests.offsets[:-1], requests.offsets[1:], strict=True):
        assert len(set(requests.entries.context["tab"][low:high])) == 1
        assert len(set(requests.entries.context["depth"][low:high])) == 1
    played = play(log, WINDOW, spied(), np.random.default_rng(0), RULES)
    told = [json.loads(text) for text in played.log.requests["context"]]
    assert [t["tab"] for t in told] == requests.entries.context["tab"][requests.offsets[:-1]].tolist()


def test_a_request_is_one_users_interactions_of_the_period_in_order_of_first_contact() -> None:
    requests = make_requests(LOG, WINDOW, DAY)
    assert [r.rpartition("|")[2] for r in requests.request_id] == ["ann", "bob"]
    assert requests.at.tolist() == [1 * HOUR, 2 * HOUR]
    assert requests.entries.item_id.tolist() == ["x", "y", "x"]
    assert requests.offsets.tolist() == [0, 2, 3]


def test_an_item_met_twice_in_a_period_is_one_entry_with_its_first_outcome() -> None:
    requests = make_requests(LOG, WINDOW, DAY)
    assert requests.entries.reward[:2].tolist() == [1.0, 0.0]


def test_only_what_was_shown_leaves_the_world_and_the_outcome_keeps_its_own_instant() -> None:
    played = play(LOG, WINDOW, spied(), np.random.default_rng(0), RULES)
    assert len(played.log.impressions) == 2
    shown = played.log.impressions.set_index("request_id")["item_id"]
    ann = next(r for r in shown.index if r.endswith("ann"))
    outcome = played.log.outcomes.set_index("impression_id").loc[f"{ann}|0"]
    assert outcome["outcome_at"] == {"x": 1, "y": 3}[shown[ann]] * HOUR
    assert outcome["kind"] == "like"


def test_a_single_eligible_item_is_shown_with_propensity_one() -> None:
    played = play(LOG, WINDOW, spied(), np.random.default_rng(0), RULES)
    bob = played.log.impressions[played.log.impressions["request_id"].str.endswith("bob")]
    assert bob["propensity"].tolist() == [1.0]


def test_the_memory_learns_each_shown_outcome_once_and_only_after_it_arrived() -> None:
    player = spied()
    played = play(LOG, WINDOW, player, np.random.default_rng(0), RULES)
    arrived = sorted(played.log.outcomes["outcome_at"])
    assert [at for at, _ in player.memory.learned] == arrived
    assert player.memory.known_at_read[0] == 0


class Encoding(Spy):
    """As `Spy`, with a field for what users liked last; its logit says how many there are."""

    spec = FeatureSpec((Field("recent", FieldKind.MULTI, FieldOf.CONTEXT, 2, shares="item"),))

    def encode(self, user_ids: np.ndarray, item_ids: np.ndarray, at: np.ndarray, context: object) -> Examples:
        return Examples(np.zeros((len(at), 2), np.uint64), np.zeros((len(at), 0), np.float32), at)

    def predict(self, examples: Examples) -> Prediction:
        return Prediction((examples.keys > 0).sum(1).astype(np.float32), np.zeros((len(examples), 1), np.float32))


def test_what_users_liked_last_is_what_was_shown_to_them_and_never_what_the_world_knows() -> None:
    log = log_of([("ann", "x", 1, 1.0), ("ann", "y", 1, 1.0), ("ann", "z", 3, 1.0), ("bob", "x", 4, 1.0)])
    player = spied(Encoding(), history=History(2, Likes.none()))
    played = play(log, WINDOW, player, np.random.default_rng(0), replace(RULES, period=2 * HOUR))
    shown = played.log.impressions["item_id"].iloc[0]
    assert played.log.requests["context"].tolist() == [
        '{"recent": []}',
        json.dumps({"recent": [shown]}),  # of x and y, both liked, only one was shown
        '{"recent": []}',
    ]
    assert played.log.impressions["logit"].tolist() == played.scored.champion[[0, 2, 3]].tolist() == [0.0, 1.0, 0.0]


def test_every_interaction_of_the_window_is_scored_shown_or_not() -> None:
    played = play(LOG, WINDOW, spied(), np.random.default_rng(0), RULES)
    assert played.scored.at.tolist() == [1 * HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR]


def test_the_same_dice_give_the_same_play() -> None:
    tables = [play(LOG, WINDOW, spied(), np.random.default_rng(5), RULES).log.impressions for _ in range(2)]
    assert tables[0].equals(tables[1])


@pytest.mark.parametrize(
    ("probability", "value"),
    [([0.5, 0.5, 1.0], (0.5 + 0.0) / 2), ([1.0, 0.0, 1.0], (1.0 + 0.0) / 2), ([0.25, 0.75, 1.0], 0.125)],
)
def test_true_value_is_the_mean_over_requests_of_the_expected_reward(probability: list[float], value: float) -> None:
    requests = make_requests(LOG, WINDOW, DAY)
    assert true_value(np.array(probability), requests.entries.reward, requests.offsets) == pytest.approx(value)


def test_random_and_oracle_bound_what_a_policy_can_earn() -> None:
    requests = make_requests(LOG, WINDOW, DAY)
    assert random_value(requests.entries.reward, requests.offsets) == pytest.approx(0.25)
    assert oracle_value(requests.entries.reward, requests.offsets) == pytest.approx(0.5)


def test_two_generations_answer_their_own_users_and_learn_from_all() -> None:
    one, two = Spy(), Spy()
    beside = Beside(replace(spied(two), generation=2), lambda users: np.array([user == "bob" for user in users]))
    played = play(LOG, WINDOW, spied(one), np.random.default_rng(0), RULES, beside)
    alone = play(LOG, WINDOW, spied(), np.random.default_rng(0), RULES)
    requests, impressions = played.log.requests, played.log.impressions
    assert dict(zip(requests["user_id"], requests["generation"], strict=True)) == {"ann": 3, "bob": 2}
    assert impressions["request_id"].tolist() == alone.log.impressions["request_id"].tolist()
    assert impressions["generation"].tolist() == requests["generation"].tolist()
    assert one.learned == two.learned
    assert len(one.learned) == len(impressions)
