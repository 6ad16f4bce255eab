"""A home with a champion, and a decision log whose lines are written by hand."""

import atexit
import os
import shutil
import tempfile

import pytest

# BentoML makes its home when it is imported, and keeps it: neither in the home of whoever runs the tests, nor where
# an earlier run left its bundles.
if "BENTOML_HOME" not in os.environ:
    os.environ["BENTOML_HOME"] = tempfile.mkdtemp(prefix="evercurrent-tests-bentoml-")
    atexit.register(shutil.rmtree, os.environ["BENTOML_HOME"], ignore_errors=True)

from bento.decision_log import DecisionLog
from bento.settings import ServiceSettings
from bento.stream_log import StreamLog
from components.ingest.log_lines import OutcomeLine, RequestLine, ShownLine
from components.publish.bundle import write_bundle
from components.publish.pointer import Pointer, Role, move_pointer
from components.publish.read_bundle import load_bundle
from components.serving.live_memory import LiveMemory, in_files
from tests.broker import Broker
from tests.publish.conftest import NOW, make_content

ITEMS = ("heat", "alien", "brazil", "solaris", "stalker")


def release(home, generation, **changes):
    """Write a bundle and make it champion."""
    folder = write_bundle(home / "bundles", make_content(generation=generation, seed=generation, **changes))
    move_pointer(home, Role.CHAMPION, Pointer.to(generation))
    return folder


def following(start, home, settings):
    """A live memory that goes on from a bundle or a snapshot."""
    return LiveMemory(start.served, start.known_until, in_files(home), settings.steps)


def write_request(
    log, request_id, at, user="ann", items=("heat",), eligible=ITEMS, generation=1, context=None, **known
):
    slate = tuple(
        ShownLine(
            impression_id=f"{request_id}-{position}",
            item_id=item,
            position=position,
            propensity=0.25,
            score=0.5,
            logit=0.4,
        )
        for position, item in enumerate(items)
    )
    line = RequestLine(
        request_id=request_id,
        user_id=user,
        at=at,
        generation=generation,
        context=context or {},
        eligible=None if eligible is None else tuple(eligible),
        slate=slate,
        **known,
    )
    log.append(line, at)


def write_outcome(log, impression_id, at, value=1.0, kind="rating", grade=None):
    line = OutcomeLine(impression_id=impression_id, kind=kind, value=value, reward=value, grade=grade, at=at)
    log.append(line, at)


@pytest.fixture
def home(tmp_path):
    release(tmp_path, 1)
    return tmp_path


@pytest.fixture
def settings(home):
    return ServiceSettings(home=home, tick_seconds=1.0, grace_seconds=0.0)


@pytest.fixture
def served(home):
    return load_bundle(home / "bundles" / "g000001")


@pytest.fixture
def start(served):
    """An instant on a tick, after the bundle's cutoff."""
    return NOW + 3_600_000_000


@pytest.fixture
def log(home):
    log = DecisionLog(home, 1)
    yield log
    log.close()


@pytest.fixture
def broker(tmp_path_factory):
    broker = Broker(tmp_path_factory.mktemp("redis"))
    yield broker
    broker.stop()


@pytest.fixture
def stream_log(broker):
    log = StreamLog(broker.stream, 7.0)
    yield log
    log.close()
