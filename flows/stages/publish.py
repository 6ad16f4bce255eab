"""Publish: the challenger becomes a bundle with a number, and the champion if the gate said so."""

import hashlib
import subprocess
from pathlib import Path

from components.domain import Verdict
from components.evaluate.anchor import after_release
from components.evaluate.creep import Standing
from components.ingest.reward_rule import RewardRule
from components.pages.turn_pages import KEPT
from components.publish.bundle import BundleContent, manifest_digest, write_bundle
from components.publish.id_changes import IdChanges
from components.publish.manifest import Provenance, digest_of_parts, read_manifest
from components.publish.pointer import Pointer, ReleaseKind, Role, move_pointer
from components.publish.signature import sign
from components.update.checkpoint import save_checkpoint
from components.update.train import Update
from flows.stages.bento_store import build_bento, enter_model_store
from flows.stages.canary import conclude
from flows.stages.id_changes import id_changes
from flows.stages.promises import make_promise
from flows.stages.release import release_in_turn, send_out
from flows.stages.results import Challenger, Judgement, Published, Trial, TurnData
from flows.turn import Turn
from warehouse import facts, ledger
from warehouse.records import Generation, Judged


def publish(
    turn: Turn, data: TurnData, challenger: Challenger | None, judgement: Judgement, trial: Trial | None = None
) -> Published:
    """Write checkpoint and bundle, enter them into the ledger, and move the pointers the verdict allows.

    Everything is keyed by the turn's cutoff: a resumed turn keeps its number and promotes once.
    """
    if challenger is None:
        assert turn.champion is not None, "without a champion there is always a challenger"
        _record_judgement(turn, None, judgement)
        answers = _rolled_back(turn, judgement) if judgement.verdict is Verdict.ROLL_BACK else turn.champion
        if trial is not None:
            conclude(turn, trial, judgement)
            answers = trial.generation if judgement.verdict is Verdict.PROMOTE else answers
        return Published(None, answers, manifest_digest(turn.workspace.bundle(answers)))
    generation = ledger.generation_number(turn.warehouse, turn.window.cutoff)
    save_checkpoint(challenger.checkpoint, turn.workspace.checkpoint(generation), turn.settings.publish.full_every)
    bundle = write_bundle(turn.workspace.root / "bundles", _content(turn, generation, data, challenger, judgement))
    _signed(turn, bundle)
    _record_generation(turn, generation, challenger.update, bundle)
    _record_judgement(turn, generation, judgement)
    champion = turn.champion
    if judgement.verdict is Verdict.PROMOTE:
        champion = _released(turn, generation, bundle, judgement)
    elif judgement.verdict is Verdict.ROLL_BACK:
        champion = _rolled_back(turn, judgement)
    move_pointer(turn.workspace.root, Role.CHALLENGER, Pointer.to(generation))
    assert champion is not None, "the first generation is always promoted"
    return Published(generation, champion, _content_digest(bundle))


def _signed(turn: Turn, bundle: Path) -> None:
    key = turn.settings.publish.signing_key
    if key is not None:
        sign(bundle, turn.workspace.root / key)


def _released(turn: Turn, generation: int, bundle: Path, judgement: Judgement) -> int:
    """Let a generation that passed the gate serve everyone, or some users first; who is champion then."""
    enter_model_store(bundle)
    build_bento(bundle)
    _stand(turn, generation, judgement)
    make_promise(turn, generation, judgement.evaluation)
    if turn.champion is not None and turn.settings.release.canary.share:
        send_out(turn, generation)
        return turn.champion
    kind = ReleaseKind.FIRST if turn.champion is None else ReleaseKind.PROMOTE
    release_in_turn(turn, generation, kind, judgement.reasons)
    return generation


def _rolled_back(turn: Turn, judgement: Judgement) -> int:
    """Move the pointer back to the champion's parent, and say which generation that is."""
    assert turn.champion is not None, "only a champion is rolled back"
    parent = ledger.generation(turn.warehouse, turn.champion).parent
    assert parent is not None, "a roll-back was weighed against a parent"
    release_in_turn(turn, parent, ReleaseKind.ROLL_BACK, judgement.reasons)
    return parent


def _stand(turn: Turn, generation: int, judgement: Judgement) -> None:
    """Count what the release may lose against the anchor; the first generation is its own."""
    creep = judgement.evaluation.creep if judgement.evaluation else None
    standing = Standing.of(generation)
    if creep is not None and turn.champion is not None:
        before = ledger.standing(turn.warehouse, turn.champion)
        stood = Standing.of(turn.champion) if before is None else Standing.from_json(before)
        standing = after_release(stood, generation, creep, turn.settings.evaluate)
    ledger.record_standing(turn.warehouse, generation, standing.to_json())


def _content(
    turn: Turn, generation: int, data: TurnData, challenger: Challenger, judgement: Judgement
) -> BundleContent:
    changes = id_changes(turn, challenger.update)
    return BundleContent(
        provenance=_provenance(turn, generation, challenger, judgement, changes),
        encoder=data.encoder,
        model=challenger.checkpoint.model,
        memory=challenger.memory,
        memory_settings=turn.settings.memory,
        policy=challenger.policy.settings,
        outcome=RewardRule.of(turn.source),
        servable=data.servable,
        hidden=facts.hidden(turn.warehouse),
        history=data.history,
        id_changes=changes,
        reports=_reports(turn),
        saved=turn.workspace.checkpoint(generation),
    )


def _provenance(
    turn: Turn, generation: int, challenger: Challenger, judgement: Judgement, changes: IdChanges
) -> Provenance:
    warm = challenger.kind == "update"
    return Provenance(
        generation=generation,
        parent=turn.champion,
        source=turn.source.name,
        source_digest=facts.content_digest(turn.warehouse),
        start=turn.window.start,
        cutoff=turn.window.cutoff,
        code_commit=code_commit(),
        lock_digest=lock_digest(),
        rows=challenger.update.rows,
        replayed=challenger.update.replayed,
        verdict=judgement.verdict,
        reasons=judgement.reasons,
        carried=("weights", "optimizer", "vocabulary", "memory") if warm else (),
        grown=challenger.update.grown,
        ids=changes.summary(),
    )


def _reports(turn: Turn) -> dict[str, Path]:
    """The turn's pages, which need nothing but themselves, and the figures behind them."""
    files = [
        folder / f"{page}{end}" for page in KEPT for folder, end in ((turn.pages, ".html"), (turn.folder, ".json"))
    ]
    return {p.name: p for p in files if p.exists()}


def _record_generation(turn: Turn, generation: int, update: Update, bundle: Path) -> None:
    made = Generation(
        generation=generation,
        parent=turn.champion,
        start=turn.window.start,
        cutoff=turn.window.cutoff,
        rows=update.rows,
        grown=len(update.admitted),
        expired=len(update.expired),
        bundle=str(bundle.relative_to(turn.workspace.root)),
        manifest_digest=manifest_digest(bundle),
    )
    ledger.record_generation(turn.warehouse, made)


def _record_judgement(turn: Turn, challenger: int | None, judgement: Judgement) -> None:
    judged = Judged(
        cutoff=turn.window.cutoff,
        challenger=challenger,
        champion=turn.champion,
        verdict=judgement.verdict.value,
        reasons=judgement.reasons,
        report=judgement.evaluation.to_json() if judgement.evaluation else "{}",
    )
    ledger.record_judgement(turn.warehouse, judged)


def _content_digest(bundle: Path) -> str:
    """SHA-256 over everything of a bundle that serves; pages may differ in ids their libraries draw."""
    return digest_of_parts(p for p in read_manifest(bundle).parts if not p.path.startswith("reports/"))


def code_commit() -> str:
    """Commit of the code that runs, or ``unknown`` outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return found.stdout.strip() or "unknown"


def lock_digest() -> str:
    """SHA-256 of the lock the environment was made from, or ``unknown`` where it is not at hand."""
    lock = Path(__file__).resolve().parents[2] / "requirements.lock"
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else "unknown"
