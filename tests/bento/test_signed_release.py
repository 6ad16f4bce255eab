"""A service that knows whose releases to trust refuses others, and the old one serves on."""

from bento.champion import Champion
from components.publish.signature import sign
from tests.bento.conftest import release
from tests.publish.conftest import NOW
from tests.publish.test_signature import write_keys


def test_an_unsigned_or_wrongly_signed_release_changes_nothing_but_the_fault(home, settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    ours, public = write_keys(folder, "ours")
    theirs, _ = write_keys(folder, "theirs")
    sign(home / "bundles" / "g000001", ours)
    champion = Champion(settings.model_copy(update={"release_key": public}), lambda: NOW + 10)
    first = champion.prepare()
    assert first is not None
    champion.swap(first)
    second = release(home, 2)
    assert champion.prepare() is None
    assert champion.fault == f"bundle {second} is not signed; allowed are those signed for {public}"
    sign(release(home, 3), theirs)
    assert champion.prepare() is None
    assert "is not signed by the owner of" in str(champion.fault)
    assert champion.live.served.generation == 1
    sign(release(home, 4), ours)
    next_one = champion.prepare()
    champion.swap(next_one)
    assert (champion.live.served.generation, champion.fault) == (4, None)


def test_a_service_without_the_key_it_was_told_of_says_so_and_answers_nothing(home, settings):
    champion = Champion(settings.model_copy(update={"release_key": home / "nowhere"}), lambda: NOW + 10)
    assert champion.prepare() is None
    assert "no key at" in str(champion.fault)
    assert champion.live is None
