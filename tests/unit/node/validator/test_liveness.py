"""A chain that is stuck, or waits for clocks that were put back, does not look like a quiet one."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from node.runtime import log_setup
from node.validator.liveness import Liveness
from vm.params import Params

HEAD_MS = 1_800_000_000_000


class Stand:
    """What a Liveness looks at: a chain of four validators at height 6, a clock, and how long work waits."""

    def __init__(self, rate: int = 1, f: int = 1) -> None:
        self.waiting = 0.0
        self.clock = SimpleNamespace(now=HEAD_MS, rate=rate, now_ms=lambda: self.clock.now)
        ledger: Any = SimpleNamespace(
            head_time=HEAD_MS,
            height=6,
            params=Params(round_timeout_ms=2_000, round_timeout_max_ms=30_000),
            next_validators=lambda: SimpleNamespace(f=f),
        )
        schedule: Any = SimpleNamespace(waiting_seconds=lambda: self.waiting)
        state: Any = SimpleNamespace(round=3)
        clock: Any = self.clock
        self.liveness = Liveness(ledger, clock, schedule, lambda: state)


def test_a_quiet_chain_is_ready() -> None:
    stand = Stand()
    stand.clock.now += 3_600_000
    assert stand.liveness.reasons() == []
    assert (stand.liveness.head_ahead_ms, stand.liveness.waiting_seconds) == (0, 0.0)


@pytest.mark.parametrize("rate", [1, 1_000])
def test_a_clock_that_is_behind_by_more_than_the_tolerance_is_named(rate: int) -> None:
    stand = Stand(rate)
    stand.clock.now -= 2_000 * rate
    assert stand.liveness.reasons() == []
    stand.clock.now -= 1
    assert len(stand.liveness.reasons()) == 1
    stand.clock.now -= 490_000 * rate - 1
    (reason,) = stand.liveness.reasons()
    assert reason.startswith(f"clock: the head is {492 * rate} s ahead of this node's clock")
    assert stand.liveness.head_ahead_ms == 492_000 * rate
    stand.clock.now = HEAD_MS
    assert stand.liveness.reasons() == []


@pytest.mark.parametrize(("f", "patience_s"), [(1, 2 + 4 + 8), (4, 2 + 4 + 8 + 16 + 30 + 30)])
def test_work_without_a_block_is_named_after_the_rounds_that_faulty_proposers_can_cost(
    f: int, patience_s: int
) -> None:
    stand = Stand(f=f)
    stand.waiting = patience_s
    assert stand.liveness.reasons() == []
    stand.waiting = patience_s + 20.5
    assert stand.liveness.reasons() == [
        f"no block for {stand.waiting:.0f} s although there is work: height 7 is in round 3"
    ]


def test_the_log_tells_once_a_minute_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    stand = Stand()
    for now, ahead_s in ((0, 0), (1, 600), (2, 599), (3, 598), (70, 531), (71, 0), (72, 0)):
        stand.clock.now = HEAD_MS - ahead_s * 1_000
        for watched in stand.liveness._watched:
            watched._tally._now = lambda now=now: float(now)
            watched.look()
    told = [record.getMessage().partition(" of this node's")[0] for record in caplog.records]
    assert log_setup.MINUTE_SECONDS == 60.0
    assert told == [
        "clock: the head is 600 s ahead",
        "clock: the head is 531 s ahead",
        "the clock has caught up with the head",
    ]
