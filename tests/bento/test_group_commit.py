"""Group commit: an answer leaves after its line is on the disk, and one sync serves all who wrote before it."""

import asyncio
import threading

import pytest

from bento.group_commit import GroupCommit
from components.domain import Transient


class Disk:
    """What was written, and how much of it a sync that has ended had found."""

    def __init__(self):
        self.written = self.safe = 0
        self.gate = threading.Event()
        self.gate.set()
        self.fault = None

    def sync(self):
        found = self.written
        assert self.gate.wait(10)
        if self.fault is not None:
            raise self.fault
        self.safe = found


async def write(disk, commit):
    disk.written += 1
    mine = disk.written
    await commit.durable()
    assert disk.safe >= mine, "acknowledged before it was on the disk"


def test_whoever_is_answered_is_on_the_disk_and_many_share_a_sync():
    disk = Disk()
    commit = GroupCommit(disk.sync)

    async def main():
        disk.gate.clear()
        first = asyncio.create_task(write(disk, commit))
        while not commit.syncs:
            await asyncio.sleep(0)
        crowd = [asyncio.create_task(write(disk, commit)) for _ in range(50)]
        await asyncio.sleep(0.05)
        assert not any(t.done() for t in (first, *crowd))
        disk.gate.set()
        await asyncio.gather(first, *crowd)

    asyncio.run(main())
    assert commit.syncs == 2, "one for the first, one for the fifty that came meanwhile"


def test_a_sync_that_fails_acknowledges_nobody_and_the_next_one_may_succeed():
    disk = Disk()
    commit = GroupCommit(disk.sync)

    async def main():
        disk.fault = Transient("the disk is full")
        told = await asyncio.gather(*(write(disk, commit) for _ in range(5)), return_exceptions=True)
        assert [str(t) for t in told] == ["the disk is full"] * 5
        disk.fault = None
        await write(disk, commit)

    asyncio.run(main())


def test_who_is_cut_off_does_not_cut_off_the_others():
    disk = Disk()
    commit = GroupCommit(disk.sync)

    async def main():
        disk.gate.clear()
        gone, stays = (asyncio.create_task(write(disk, commit)) for _ in range(2))
        await asyncio.sleep(0.02)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        disk.gate.set()
        await stays

    asyncio.run(main())
