"""A shop of twelve days whose users come back, whose outcomes come late, and whose bundles say what users liked last."""

import shutil
from pathlib import Path

import pandas as pd

from flows.stages.ingest import ingest_file
from flows.workspace import Workspace, enter
from tests.conftest import DAY
from tests.loop.late_shop import DESCRIPTION, SETTINGS, LateShop, turn

RECENT = """
[[fields]]
name = "recent"
kind = "multi"
of = "context"
width = 3
shares = "item"
"""

NO_REPLAY = "\n[update]\nmax_epochs = 1\nreplay_share = 0\n"
"""A turn replays a sample of the past: of what is left where facts were pruned, so that its bits differ."""

RETENTION = """
[retention]
days = 1
generations = 2
releases = 1
facts_days = 2
old_facts = "{old_facts}"
"""
