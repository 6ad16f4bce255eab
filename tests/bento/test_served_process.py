"""The service as a process of its own: BentoML's health and metrics, a real socket, a clean end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("bentoml")

from components.ingest.decision_log import read_decision_log


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def call(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data), timeout=10) as answer:
        return answer.read().decode()


@pytest.fixture
def url(home, request):
    port = free_port()
    environment = os.environ | {
        "EVERCURRENT_HOME": str(home),
        "BENTOML_HOME": str(home / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "EVERCURRENT_WORKERS": str(getattr(request, "param", 1)),
    }
    command = [sys.executable, "-m", "bentoml", "serve", "bento.service:Evercurrent", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        yield wait_until_ready(f"http://127.0.0.1:{port}", process)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until_ready(url, process):
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert process.poll() is None, "the service ended before it was ready"
        try:
            call(f"{url}/readyz")
        except OSError:  # not listening yet, or listening and not answering yet
            time.sleep(0.1)
        else:
            return url
    raise AssertionError("the service did not become ready")


def test_a_served_process_answers_measures_itself_and_leaves_a_whole_log(url, home):
    body = json.loads(call(f"{url}/rank", {"user_id": "ann", "slate_size": 3}))
    told = {"impression_id": body["slate"][0]["impression_id"], "kind": "rating", "value": 10}
    assert json.loads(call(f"{url}/outcome", told))["accepted"] is True
    metrics = call(f"{url}/metrics")
    assert 'endpoint="/rank"' in metrics
    assert 'evercurrent_decisions_total{generation="1"} 1.0' in metrics
    tables = read_decision_log(sorted((home / "decisions").iterdir()))
    assert len(tables.impressions) == 3
    assert tables.outcomes["impression_id"].tolist() == [told["impression_id"]]


@pytest.mark.parametrize("url", [2], indirect=True)
def test_an_outcome_told_to_several_workers_at_once_is_accepted_once(url, home):
    def tell(impression_id):
        told = {"impression_id": impression_id, "kind": "rating", "value": 10}
        return impression_id, json.loads(call(f"{url}/outcome", told))["accepted"]

    def logs():
        return list((home / "decisions").glob("*.jsonl"))

    shown = []
    for round_ in range(30):  # until both workers had their turn: the kernel chooses between them
        users = [f"u{round_}-{n}" for n in range(20)]
        with ThreadPoolExecutor(8) as threads:
            slates = threads.map(lambda u: json.loads(call(f"{url}/rank", {"user_id": u, "slate_size": 3})), users)
            fresh = [s["impression_id"] for slate in slates for s in slate["slate"]]
            answers = list(threads.map(tell, [i for i in fresh for _ in range(6)]))
        assert Counter(i for i, accepted in answers if accepted) == Counter(fresh)
        shown += fresh
        if len(logs()) == 2:
            break
    written = [line for path in logs() for line in path.read_text().splitlines()]
    assert sum('"type":"outcome"' in line for line in written) == len(shown)
    assert len(logs()) == 2, "both workers answered"
