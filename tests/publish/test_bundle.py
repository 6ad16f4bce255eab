"""Bundles are whole or refused, immutable, and serve what was put in."""

import json
import resource

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.domain import ContractBroken, Transient, Verdict
from components.parts import list_parts
from components.policy.settings import PolicySettings
from components.publish.bundle import manifest_digest, write_bundle
from components.publish.id_changes import IdChanges
from components.publish.manifest import APART, MANIFEST, Provenance, read_manifest, verify
from components.publish.read_bundle import load_bundle
from components.ranker.features import hash_ids
from components.ranker.history import History, Likes
from components.serving.served import KnownOutcomes, RankRequests
from tests.publish.conftest import ITEMS, NOW, RECENT_SPEC, make_content


def requests():
    return RankRequests.of(
        ["ann", "nobody"], np.array([NOW, NOW]), [["heat", "solaris"], ["never seen", "stalker", "brazil"]]
    )


def test_a_bundle_serves_the_same_logits_as_what_was_put_in(folder, content):
    served = load_bundle(folder)
    scored = served.score_eligible(requests())
    examples = requests().encode(content.encoder)
    np.testing.assert_array_equal(scored.examples.keys, examples.keys)
    np.testing.assert_array_equal(scored.examples.numeric, examples.numeric)
    np.testing.assert_array_equal(scored.prediction.logit, content.model.predict(examples).logit)
    assert served.generation == 1
    assert served.policy.settings == content.policy
    assert served.outcome == content.outcome
    assert served.servable.tolist() == ITEMS["item_id"].tolist()


def test_a_bundle_carries_its_memory(tmp_path, content):
    examples = requests().encode(content.encoder)
    content.memory.learn(examples, content.model.predict(examples), np.array([1, 0, 0, 1, 1], np.float32))
    served = load_bundle(write_bundle(tmp_path, content))
    assert served.memory.digest() == content.memory.digest()
    score = served.score_eligible(requests()).score
    assert not np.array_equal(score, content.model.predict(examples).logit)


def test_the_manifest_names_every_file_and_is_not_among_them(folder):
    manifest = verify(folder)
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert {p.path for p in manifest.parts} == files - {MANIFEST}
    assert {"reports/drift.html", "policy.json", "memory/settings.json"} <= files
    assert not [f for f in files if "optimizer" in f]
    assert manifest.verdict is Verdict.PROMOTE


def test_the_same_content_gives_the_same_digest(tmp_path):
    first, second = (write_bundle(tmp_path / n, make_content()) for n in "ab")
    assert manifest_digest(first) == manifest_digest(second)
    assert manifest_digest(first) != manifest_digest(write_bundle(tmp_path / "c", make_content(seed=1)))


def test_writing_the_same_turn_again_changes_nothing(folder, content):
    before = manifest_digest(folder)
    assert write_bundle(folder.parent, content) == folder
    assert manifest_digest(folder) == before
    assert [p.name for p in folder.parent.iterdir()] == ["g000001"]


def test_a_generations_number_is_never_reused(folder, content):
    other = content.provenance.model_copy(update={"cutoff": NOW + 99})
    with pytest.raises(ContractBroken, match=r"exists with cutoff .* never reused"):
        write_bundle(folder.parent, make_content(provenance=other))


def test_a_half_written_bundle_is_refused(folder):
    (folder / MANIFEST).unlink()
    with pytest.raises(ContractBroken, match=r"half-written: it has no manifest\.json; run the loop again"):
        load_bundle(folder)


def test_a_bundle_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ContractBroken, match="does not exist"):
        load_bundle(tmp_path / "g000009")


@pytest.mark.parametrize("part", ["policy.json", "model/model.safetensors", "items.parquet", "memory/memory.json"])
def test_a_changed_part_is_named_with_both_digests(folder, part):
    raw = bytearray((folder / part).read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / part).write_bytes(raw)
    with pytest.raises(ContractBroken, match=rf"part {part}: the manifest says [0-9a-f]{{12}}, .*found [0-9a-f]{{12}}"):
        load_bundle(folder)


@pytest.mark.parametrize("part", ["policy.json", "outcome.json", "feature_spec.json", "memory/settings.json"])
def test_a_whole_bundle_of_another_version_of_the_code_is_told_so(folder, part):
    (folder / part).write_text('{"from": "elsewhere"}')
    manifest = json.loads((folder / MANIFEST).read_text())
    parts = [p.model_dump() for p in list_parts(folder, APART)]
    (folder / MANIFEST).write_text(json.dumps(manifest | {"parts": parts}))
    with pytest.raises(ContractBroken, match=rf"{part}, .*: .*; the bundle was written by another version"):
        load_bundle(folder)


def test_a_missing_and_an_extra_part_are_named(folder):
    (folder / "reports" / "note.txt").write_text("hello")
    with pytest.raises(ContractBroken, match=r"part reports/note.txt: the manifest says no such part"):
        verify(folder)
    (folder / "reports" / "note.txt").unlink()
    (folder / "policy.json").unlink()
    with pytest.raises(ContractBroken, match=r"part policy.json: .* found nothing"):
        verify(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"generation": 0}, "generation: Input should be greater than or equal to 1"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"format": 3}, "format: Input should be less than or equal to 2"),
        ({"parent": 1}, "parent 1 of generation 1 is not older"),
    ],
)
def test_a_manifest_of_another_shape_is_refused(folder, change, message):
    text = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(text | change))
    with pytest.raises(ContractBroken, match=message):
        read_manifest(folder)


def test_a_manifest_cut_in_the_middle_is_refused(folder):
    raw = (folder / MANIFEST).read_bytes()
    (folder / MANIFEST).write_bytes(raw[: len(raw) // 2])
    with pytest.raises(ContractBroken, match="Invalid JSON"):
        verify(folder)


def test_a_full_disk_leaves_nothing_behind(tmp_path, content):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
    try:
        with pytest.raises(Transient, match=r"cannot write bundle .*g000001"):
            write_bundle(tmp_path / "bundles", content)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "bundles").iterdir()) == []
    assert write_bundle(tmp_path / "bundles", content).name == "g000001"


def test_a_write_that_was_killed_is_swept_by_the_next(tmp_path, content, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("components.publish.bundle.list_parts", killed)
        with pytest.raises(KeyboardInterrupt):
            write_bundle(tmp_path, content)
    assert list(tmp_path.iterdir()) == []
    assert verify(write_bundle(tmp_path, content)).generation == 1


def test_a_report_may_not_leave_its_folder(tmp_path):
    with pytest.raises(ValueError, match="without folders"):
        write_bundle(tmp_path, make_content(reports={"../champion.json": b"{}"}))


def test_learning_in_a_fork_leaves_the_original_alone(folder):
    served = load_bundle(folder)
    fork = served.fork()
    rows = KnownOutcomes(
        np.array(["ann"] * 20, object),
        np.array(["heat"] * 20, object),
        np.full(20, NOW),
        np.ones(20, np.float32),
        np.full(20, np.nan, np.float32),
    )
    fork.learn(rows)
    assert len(served.memory) == 0
    assert fork.score_eligible(requests()).score[0] > served.score_eligible(requests()).score[0]


def test_learning_nothing_is_nothing(folder):
    served = load_bundle(folder)
    before = served.memory.digest()
    nobody, never, nothing = np.empty(0, object), np.empty(0, np.int64), np.empty(0, np.float32)
    served.learn(KnownOutcomes(nobody, nobody, never, nothing, nothing))
    assert served.memory.digest() == before


def test_decisions_log_the_propensity_that_the_policy_recomputes(folder):
    served = load_bundle(folder)
    made = served.decide(requests(), np.array([1, 2]), np.random.default_rng(0))
    again = served.policy.score(made.scored.score, made.scored.offsets, made.slates.shown)
    assert np.array_equal(again, made.propensity)
    assert set(made.item_id[:1]) <= {"heat", "solaris"}
    assert set(made.item_id[1:]) <= {"never seen", "stalker", "brazil"}
    assert len(made.item_id) == len(made.logit) == len(made.score) == 3


def test_context_reaches_every_eligible_entry_of_its_request(folder):
    served = load_bundle(folder)
    asked = RankRequests.of(
        ["ann", "bob"], np.array([NOW, NOW]), [["heat"], ["heat", "alien"]], {"device": np.array(["tv", "phone"])}
    )
    keys = asked.encode(served.encoder).keys[:, -1]
    assert keys[1] == keys[2] != keys[0]


def test_a_request_for_anything_servable_is_encoded_as_any_other(folder):
    served = load_bundle(folder)
    user, at, context = np.array(["ann"], object), np.array([NOW]), {"device": np.array(["tv"], object)}
    short = RankRequests(user, at, served.servable, np.array([0, len(ITEMS)]), context)
    long = RankRequests.of(user, at, [served.servable.tolist()], context)
    from_catalogue, encoded = served.score_eligible(short), served.score_eligible(long)
    np.testing.assert_array_equal(from_catalogue.examples.keys, encoded.examples.keys)
    np.testing.assert_array_equal(from_catalogue.examples.numeric, encoded.examples.numeric)
    np.testing.assert_array_equal(from_catalogue.examples.at, encoded.examples.at)
    np.testing.assert_array_equal(from_catalogue.score, encoded.score)


def test_settings_of_the_policy_survive(tmp_path):
    policy = PolicySettings(temperature=1 / 3, epsilon=0.0123456789)
    assert load_bundle(write_bundle(tmp_path, make_content(policy=policy))).policy.settings == policy


def test_provenance_has_a_window():
    assert Provenance(generation=1, source="s", start=1, cutoff=2).window.cutoff == 2


@pytest.fixture
def attentive(tmp_path):
    """A generation that looks at what users liked last, with what ann liked."""
    history = History(3, Likes(np.array(["ann", "ann"], object), np.array(["heat", "alien"], object), np.array([1, 2])))
    return load_bundle(write_bundle(tmp_path, make_content(spec=RECENT_SPEC, architecture="din", history=history)))


def test_a_bundle_carries_what_users_liked_last(attentive, tmp_path):
    asked = np.array(["ann", "bob"], object)
    assert attentive.history.recent(asked).tolist() == [["alien", "heat", None], [None] * 3]
    assert "history.parquet" in {part.path for part in list_parts(tmp_path / "g000001")}


def test_a_bundle_without_the_field_carries_no_history(folder):
    assert load_bundle(folder).history is None
    assert not (folder / "history.parquet").exists()


def test_a_request_is_encoded_with_what_its_user_liked_unless_it_says_so_itself(attentive):
    two = RankRequests.of(["ann", "bob"], np.array([NOW, NOW]), [["heat", "alien"], ["heat"]])
    keys = attentive.informed(two).encode(attentive.encoder).keys[:, -3:]
    assert keys.tolist() == [[*hash_ids("item", ["alien", "heat"]).tolist(), 0]] * 2 + [[0, 0, 0]]
    own = {"recent": np.array([["brazil", None, None]] * 2, object)}
    said = RankRequests(two.user_id, two.at, two.item_id, two.offsets, own)
    assert attentive.informed(said) is said


def test_what_a_fork_likes_the_original_does_not_know(attentive):
    twin = attentive.fork()
    ann = np.array(["ann"], object)
    liked = np.ones(1, np.float32)
    brazil = KnownOutcomes(ann, np.array(["brazil"], object), np.array([NOW]), liked, liked)
    twin.learn(brazil)
    assert twin.history.recent(ann).tolist() == [["brazil", "alien", "heat"]]
    assert attentive.history.recent(ann).tolist() == [["alien", "heat", None]]


def test_a_request_for_anything_servable_looks_at_the_same_history(attentive):
    user, at = np.array(["ann"], object), np.array([NOW])
    short = attentive.informed(RankRequests(user, at, attentive.servable, np.array([0, len(ITEMS)])))
    long = attentive.informed(RankRequests.of(user, at, [attentive.servable.tolist()]))
    scores = [attentive.score_eligible(asked) for asked in (short, long)]
    np.testing.assert_array_equal(scores[0].examples.keys, scores[1].examples.keys)
    np.testing.assert_array_equal(scores[0].score, scores[1].score)


def test_every_id_that_came_or_went_is_in_the_bundle_by_name_and_the_manifest_names_the_latest(tmp_path):
    expired = 2
    changes = IdChanges(
        field=np.array(["item"] * 9 + ["user"], object),
        change=np.array(["admitted"] * (9 - expired) + ["expired"] * expired + ["admitted"], object),
        id=np.array([f"i{n}" for n in range(8)] + [None, "ann"], object),
        key=np.arange(10, 20, dtype=np.uint64),
        last_seen=np.arange(10),
    )
    provenance = make_content().provenance.model_copy(update={"ids": changes.summary()})
    folders = [
        write_bundle(tmp_path / name, make_content(provenance=provenance, id_changes=shuffled))
        for name, shuffled in (("a", changes), ("b", changes.sorted()))
    ]
    item, user = read_manifest(folders[0]).ids
    assert (item.admitted, item.expired, user.admitted) == (7, 2, 1)
    assert item.admitted_last == ("i6", "i5", "i4", "i3", "i2")
    assert item.expired_last == (f"key {18:016x}", "i7")
    table = pq.read_table(folders[0] / "id_changes.parquet").to_pylist()
    assert len(table) == 10
    assert table[-1] == {"field": "user", "change": "admitted", "id": "ann", "key": 19, "last_seen": 9}
    assert manifest_digest(folders[0]) == manifest_digest(folders[1])
