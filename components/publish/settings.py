"""How a generation that passed the gate is released."""

from components.evaluate.canary_settings import CanarySettings
from components.frozen import Frozen


class ReleaseSettings(Frozen):
    """Settings of the stage Publish."""

    canary: CanarySettings = CanarySettings()
    """A release to a share of the users first."""
