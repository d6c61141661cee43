"""The event loop's turns are counted by their length."""

import asyncio

from node.runtime.loop_turns import BOUNDS_MS, LoopTurns


def test_a_turn_is_counted_up_to_each_bound_that_it_does_not_pass():
    time = [0.0]
    turns = LoopTurns(lambda: time[0])
    turns.ended()  # Nothing has begun.
    for took in (0.0005, 0.004, 0.04, 9.0):
        turns.began()
        time[0] += took
        turns.ended()
        time[0] += 100  # Waiting for news is no turn.
    by_length = turns.by_length()
    assert [by_length[ms] for ms in ("1", "2", "5", "30", "50", "1000", "+Inf")] == [1, 1, 2, 2, 3, 3, 4]
    assert len(by_length) == len(BOUNDS_MS) + 1


def test_a_loop_that_is_watched_counts_what_keeps_it():
    time = [0.0]
    turns = LoopTurns(lambda: time[0])

    async def keeps_it():
        await asyncio.sleep(0)
        time[0] += 0.06
        await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(turns.watched())) as runner:
        runner.run(keeps_it())
    by_length = turns.by_length()
    assert by_length["75"] - by_length["50"] == 1
    assert by_length["+Inf"] == by_length["75"]
