"""What breaks a challenger: one function per case, each a mishap that teams have released.

A sabotage gets the scene and a challenger and returns another one; it never changes what it was given. The dice
are those of the turn, so that a drill repeats itself to the last bit.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from components.domain import Matured
from components.memory.gain import learn_all
from components.memory.memory import ErrorMemory
from components.policy.plackett_luce import PlackettLuce
from components.policy.settings import PolicySettings
from components.ranker.model import Model
from components.serving.served import Served
from components.update.train import pretrain
from flows.drill.scene import Sabotage, Scene
from flows.stages.results import Challenger
from flows.stages.training_data import read_matured
from warehouse import ledger


def sign_flipped(scene: Scene, challenger: Challenger) -> Challenger:
    """Every logit of the ranker has the wrong sign: a loss that was maximised."""

    def flip(model: Model) -> None:
        state = dict(model.calibration.state())
        identity = np.array([0.0, 1.0])
        model.calibration.load(state | {"change": -(state["change"] + identity) - identity})

    return _with_model(challenger, flip)


def weights_shuffled(scene: Scene, challenger: Challenger) -> Challenger:
    """The weights are all there, in another order: tensors restored under each other's names."""
    generator = torch.Generator().manual_seed(scene.turn.seed)

    def shuffle(model: Model) -> None:
        for tensor in (*model.dense.state_dict().values(), model.table.block):
            flat = tensor.reshape(-1)
            tensor.copy_(flat[torch.randperm(len(flat), generator=generator)].reshape(tensor.shape))

    return _with_model(challenger, shuffle)


def table_zeroed(scene: Scene, challenger: Challenger) -> Challenger:
    """The embedding table holds zeros: a part of the checkpoint that was not loaded."""
    return _with_model(challenger, lambda model: model.table.block.zero_())


def ids_shifted(scene: Scene, challenger: Challenger) -> Challenger:
    """Every id reads its neighbour's row: a vocabulary and a table of two different days."""
    return _with_model(challenger, lambda model: model.table.block.copy_(model.table.block.roll(1, 0)))


def not_a_number(scene: Scene, challenger: Challenger) -> Challenger:
    """A row of the table is not a number: a step that overflowed."""
    return _with_model(challenger, lambda model: model.table.block.fill_(float("nan")))


def outcomes_permuted(scene: Scene, challenger: Challenger) -> Challenger:
    """Trained on outcomes that belong to other impressions: a join on the wrong key."""
    permuted = _permuted(_training(scene), scene.turn.seed)
    settings, spec = scene.turn.settings, scene.turn.source.spec
    made = pretrain(spec, permuted, settings.ranker, settings.update, scene.turn.seed)
    memory = ErrorMemory.empty(spec, made.checkpoint.model.hidden_size, settings.memory, scene.turn.seed)
    memory.prime(permuted)
    memory.model_digest = made.checkpoint.model.digest()
    return replace(challenger, checkpoint=made.checkpoint, memory=memory)


def exploration_off(scene: Scene, challenger: Challenger) -> Challenger:
    """The best item always, and nothing else: fine today, and no log to judge anybody by tomorrow."""
    return _with_policy(challenger, PolicySettings(temperature=0.01, epsilon=0.0))


def too_random(scene: Scene, challenger: Challenger) -> Challenger:
    """Half of all slates drawn by lot: an exploration setting of the test system."""
    return _with_policy(challenger, PolicySettings(temperature=2.0, epsilon=0.5))


def foreign_memory(scene: Scene, challenger: Challenger) -> Challenger:
    """The memory of a model with other weights, put beside this one."""
    settings, spec, seed = scene.turn.settings, scene.turn.source.spec, scene.turn.seed + 1
    training = _training(scene)
    other = pretrain(spec, training, settings.ranker, settings.update, seed).checkpoint.model
    memory = ErrorMemory.empty(spec, other.hidden_size, settings.memory, seed)
    memory.prime(training)
    memory.model_digest = other.digest()
    learn_all(memory, scene.data.fresh.arrived, other.predict, np.flatnonzero(scene.data.is_open))
    return replace(challenger, memory=memory)


def memory_not_rebased(scene: Scene, challenger: Challenger) -> Challenger:
    """The champion's memory as it is, beside the next generation's weights."""
    memory = scene.champion.blind.memory
    assert isinstance(memory, ErrorMemory)
    return replace(challenger, memory=memory.copy())


def worse_by(share: float) -> Sabotage:
    """A policy worth exactly `share` less than the champion: mixed with the uniform draw until it is.

    The value of one shown item is linear in epsilon: ``v(e) = (1 - e) v(0) + e v(1)``.
    """

    def worse(scene: Scene, challenger: Challenger) -> Challenger:
        base = challenger.policy.settings
        wanted = (1 - share) * scene.value_of(scene.champion.blind)
        greedy, uniform = (
            scene.value_of(as_served(scene, _with_policy(challenger, base.model_copy(update={"epsilon": e}))))
            for e in (0.0, 1.0)
        )
        epsilon = float(np.clip((greedy - wanted) / (greedy - uniform), 0.0, 1.0))
        return _with_policy(challenger, base.model_copy(update={"epsilon": epsilon}))

    return worse


def as_served(scene: Scene, challenger: Challenger) -> Served:
    """A challenger as it would answer requests."""
    return replace(
        scene.champion.blind,
        encoder=scene.data.encoder,
        model=challenger.checkpoint.model,
        memory=challenger.memory,
        policy=challenger.policy,
    )


def _with_model(challenger: Challenger, change: Callable[[Model], object]) -> Challenger:
    checkpoint = challenger.checkpoint.copy()
    change(checkpoint.model)
    memory = challenger.memory.copy()
    memory.rebase(checkpoint.model.predict, checkpoint.model.digest())
    return replace(challenger, checkpoint=checkpoint, memory=memory)


def _with_policy(challenger: Challenger, settings: PolicySettings) -> Challenger:
    return replace(challenger, policy=PlackettLuce(settings))


def _training(scene: Scene) -> Matured:
    """What the champion learned."""
    turn = scene.turn
    window = ledger.generation(turn.warehouse, scene.champion.blind.generation).window
    return read_matured(turn.warehouse, turn.source, scene.data.encoder, window).matured


def _permuted(matured: Matured, seed: int) -> Matured:
    order = np.random.default_rng(seed).permutation(len(matured))
    grade = None if matured.grade is None else matured.grade[order]
    return Matured(matured.examples, matured.reward[order], grade)
