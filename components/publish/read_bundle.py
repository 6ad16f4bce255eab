"""A bundle read back, ready to serve: what a service needs, without what made it (`components.publish.bundle`)."""

from dataclasses import replace
from pathlib import Path
from typing import cast

from components.domain import ContractBroken
from components.ingest.reward_rule import RewardRule
from components.memory.memory import ErrorMemory
from components.memory.settings import MemorySettings
from components.policy.plackett_luce import PlackettLuce
from components.policy.settings import PolicySettings
from components.publish.attributes_file import read_ids
from components.publish.encoder_files import read_encoder
from components.publish.json_part import read_json
from components.publish.likes_file import read_likes
from components.publish.manifest import read_manifest, verify
from components.publish.retrieval_file import read_retrieval
from components.ranker.forward import Forward
from components.ranker.history import History, history_width
from components.ranker.model_file import digest_before_layers, load_forward
from components.serving.catalogue import Catalogue
from components.serving.retrieval import freshest
from components.serving.served import Memory, Served, Unread

HISTORY = "history.parquet"
HIDDEN = "hidden_items.parquet"
MODEL, MEMORY, SETTINGS = "model", "memory", "settings.json"


def load_bundle(folder: Path) -> Served:
    """A bundle ready to serve, after every digest was checked.

    Raises
    ------
    ContractBroken
        If it is half-written, damaged, of another layout, or its memory is another generation's.
    """
    served = load_without_memory(folder)
    return served.with_memory(load_memory(folder, served))


def load_memory(folder: Path, served: Served) -> ErrorMemory:
    """The memory of a bundle, `served` without it.

    Raises
    ------
    ContractBroken
        If it is damaged, of another layout, or another generation's.
    """
    settings = read_json(folder / MEMORY / SETTINGS, MemorySettings)
    memory, model = ErrorMemory.load(folder / MEMORY, served.encoder.spec, settings), cast(Forward, served.model)
    layered = read_manifest(folder).format > 1
    check_memory(folder / MEMORY, memory, model.digest() if layered else digest_before_layers(model))
    return memory


def load_without_memory(folder: Path) -> Served:
    """As `load_bundle`, but for the memory, which takes the most room.

    Raises
    ------
    ContractBroken
        If the bundle is half-written, damaged, or of another layout.
    """
    manifest = verify(folder)
    encoder, servable = read_encoder(folder), read_ids(folder / "servable_items.parquet")
    width = history_width(encoder.spec)
    model = load_forward(folder / MODEL)
    catalogue = Catalogue.of(encoder, servable, model) if len(servable) else None
    served = Served(
        generation=manifest.generation,
        cutoff=manifest.cutoff,
        encoder=encoder,
        model=model,
        memory=cast(Memory, Unread()),
        policy=PlackettLuce(read_json(folder / "policy.json", PolicySettings)),
        outcome=read_json(folder / "outcome.json", RewardRule),
        servable=servable,
        catalogue=None if catalogue is None else replace(catalogue, gone=frozenset(_hidden(folder))),
        history=History(width, read_likes(folder / HISTORY)) if width else None,
        landmarks=read_retrieval(folder, len(servable)),
    )
    return replace(served, freshest=freshest(served))


def _hidden(folder: Path) -> list[str]:
    return read_ids(folder / HIDDEN).tolist() if (folder / HIDDEN).exists() else []


def check_memory(folder: Path, memory: ErrorMemory, model_digest: str) -> None:
    """Refuse a memory that remembers the errors of another generation's model.

    Raises
    ------
    ContractBroken
        Names the folder of the memory, and both models.
    """
    if not memory.belongs_to(model_digest):
        raise ContractBroken(
            f"memory at {folder} belongs to the model {memory.model_digest[:12]}, this generation's model is "
            f"{model_digest[:12]}; a memory serves one generation: restore the one that was published with it"
        )
