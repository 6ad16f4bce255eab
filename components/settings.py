"""All stages' settings in one frozen tree, loaded once in a shell and passed down.

Each stage's settings stand beside the stage; this file only nests them. A user's
``evercurrent.toml`` names what differs from the defaults; unknown keys are errors.
"""

import tomllib
from pathlib import Path

from pydantic import ValidationError

from components.control_room.notify_settings import NotifySettings
from components.control_room.settings import ControlRoomSettings
from components.domain import ContractBroken
from components.drift.settings import DriftSettings
from components.engine import EngineSettings
from components.evaluate.metrics import MetricsSettings
from components.evaluate.settings import EvaluateSettings
from components.frozen import Frozen, first_fault
from components.ingest.lake_settings import LakeSettings
from components.ingest.log_settings import LogSettings
from components.memory.settings import MemorySettings
from components.operations import OperationsSettings, TimeoutSettings
from components.policy.settings import PolicySettings
from components.publish.retention import RetentionSettings
from components.publish.settings import PublishSettings, ReleaseSettings
from components.ranker.settings import RankerSettings
from components.update.settings import UpdateSettings
from components.validate.validate import ValidateSettings
from components.world.recorded_log import WorldSettings


class Settings(Frozen):
    """Settings of every stage; `seed` feeds every generator of the run."""

    seed: int = 0
    lake: LakeSettings = LakeSettings()
    contracts: ValidateSettings = ValidateSettings()
    drift: DriftSettings = DriftSettings()
    ranker: RankerSettings = RankerSettings()
    update: UpdateSettings = UpdateSettings()
    memory: MemorySettings = MemorySettings()
    policy: PolicySettings = PolicySettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    metrics: MetricsSettings = MetricsSettings()
    publish: PublishSettings = PublishSettings()
    release: ReleaseSettings = ReleaseSettings()
    control_room: ControlRoomSettings = ControlRoomSettings()
    notify: NotifySettings = NotifySettings()
    retention: RetentionSettings = RetentionSettings()
    log: LogSettings = LogSettings()
    world: WorldSettings = WorldSettings()
    operations: OperationsSettings = OperationsSettings()
    timeouts: TimeoutSettings = TimeoutSettings()
    engine: EngineSettings = EngineSettings()


def read_settings(path: Path) -> Settings:
    """The settings at `path`, or the defaults where there is no file.

    Raises
    ------
    ContractBroken
        If the file is not TOML or names a key that does not exist; one line.
    """
    if not path.exists():
        return Settings()
    try:
        return Settings.model_validate(tomllib.loads(path.read_text()))
    except tomllib.TOMLDecodeError as error:
        raise ContractBroken(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        raise ContractBroken(f"{path}, {first_fault(error)}; see docs/settings.md") from None
