"""Who waits together is answered together, nobody waits for company, and one's trouble is told to its batch alone."""

import asyncio

import pytest

from bento.micro_batches import MicroBatches


def run(batches, asked):
    async def all_of_them():
        return await asyncio.gather(*(batches.ask(one) for one in asked), return_exceptions=True)

    return asyncio.run(all_of_them())


def test_what_arrives_in_one_turn_is_one_batch_in_its_order():
    seen = []
    batches = MicroBatches(lambda batch: seen.append(list(batch)) or [2 * one for one in batch], lambda one: 1, 100)
    assert run(batches, range(5)) == [0, 2, 4, 6, 8]
    assert seen == [[0, 1, 2, 3, 4]] and batches.batches == 1


def test_a_batch_holds_no_more_work_than_it_may_and_at_least_one():
    seen = []
    batches = MicroBatches(lambda batch: seen.append(list(batch)) or list(batch), lambda one: one, 10)
    assert run(batches, [4, 5, 6, 99, 1, 1]) == [4, 5, 6, 99, 1, 1]
    assert seen == [[4, 5], [6], [99], [1, 1]]


def test_trouble_is_told_to_the_batch_it_happened_in():
    def answer(batch):
        if 7 in batch:
            raise ValueError("seven")
        return list(batch)

    told = run(MicroBatches(answer, lambda one: 1, 2), [1, 2, 7, 3, 4])
    assert told[:2] == [1, 2] and told[4] == 4
    assert [str(one) for one in told[2:4]] == ["seven", "seven"]


def test_who_has_gone_away_does_not_disturb_the_others():
    async def play():
        batches = MicroBatches(list, lambda one: 1, 10)
        gone, stays = asyncio.create_task(batches.ask(1)), asyncio.create_task(batches.ask(2))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await stays

    assert asyncio.run(play()) == 2
