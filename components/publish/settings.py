"""How a generation is published, and how one that passed the gate is released."""

from pathlib import Path

from pydantic import PositiveInt

from components.evaluate.canary_settings import CanarySettings
from components.frozen import Frozen
from components.ranker.layer_files import FULL_EVERY


class PublishSettings(Frozen):
    """How a bundle is written."""

    signing_key: Path | None = None
    """PEM file of the Ed25519 private key that bundles are signed with; without it they are not. A relative path is
    looked up from the folder of the home."""
    full_every: PositiveInt = FULL_EVERY
    """Of so many generations in a row at least one has table and vocabulary whole; the others are written as changes
    against it where those are at most half of all rows. 1: every one whole. Where a day changes c of all rows, the
    least is written at the square root of 2 / c: 14 for one in a hundred, and 10 costs a twentieth more."""


class ReleaseSettings(Frozen):
    """Settings of the stage Publish."""

    canary: CanarySettings = CanarySettings()
    """A release to a share of the users first."""
