"""Where the lake of a home lies: logs that others write, and that every ingest looks through for what is new."""

from pydantic import Field

from components.frozen import Frozen


class LakeSettings(Frozen):
    """A folder of logs that grows; every turn of the daily loop, and `evercurrent ingest` without a path, takes what
    is new."""

    path: str | None = Field(default=None, min_length=1)
    """Folder, pattern or Delta table, relative to the home; none: logs come by hand and from the service alone."""
    after_version: int | None = Field(default=None, ge=0)
    """Of a Delta table: versions up to this one count as taken. The way past one that was refused."""
