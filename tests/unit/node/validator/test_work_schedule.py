"""When a height has work; on an event loop whose time is set by hand."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Any

import pytest

from node.validator import work_schedule
from node.validator.work_schedule import Heartbeat, WorkSchedule
from vm.params import Params


class HandLoop:
    """The three loop methods that a schedule uses, with time moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self._timers: list[tuple[float, int, Any]] = []
        self._count = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[..., None], *args: Any) -> asyncio.TimerHandle:
        handle = Timer(lambda: callback(*args))
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, handle))
        return handle  # type: ignore[return-value]

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self._timers and self._timers[0][0] <= end + 1e-9:
            when, _, timer = heapq.heappop(self._timers)
            self.now = max(self.now, when)
            timer.run()
        self.now = end


class Timer:
    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self._callback = None

    def run(self) -> None:
        if self._callback is not None:
            self._callback()


class Scene:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loop = HandLoop()
        monkeypatch.setattr(work_schedule.asyncio, "get_running_loop", lambda: self.loop)
        self.pending = False
        self.told: list[float] = []
        self.heartbeat = Heartbeat()
        self.schedule = WorkSchedule(
            lambda: self.pending, self.heartbeat, lambda: self.told.append(round(self.loop.now, 3))
        )
        self.schedule.height_started(Params())

    def arrive(self) -> None:
        self.pending = True
        self.schedule.transactions_arrived()


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


def test_an_idle_chain_is_told_of_nothing_until_the_heartbeat(scene: Scene) -> None:
    scene.loop.advance(59.0)
    assert scene.told == []
    scene.loop.advance(2.5)
    assert scene.told == [160.2, 161.2]
    assert scene.heartbeat.is_due()


def test_a_transaction_wakes_an_idle_height_at_once(scene: Scene) -> None:
    scene.loop.advance(10.0)
    scene.arrive()
    assert scene.told == [110.0]


def test_blocks_keep_the_interval(scene: Scene) -> None:
    scene.loop.advance(10.0)
    scene.arrive()
    scene.loop.advance(0.03)
    scene.schedule.height_started(Params())
    scene.schedule.transactions_arrived()
    assert scene.told == [110.0]
    scene.loop.advance(1.0)
    assert scene.told == [110.0, 110.2]


def test_a_block_of_which_we_heard_first_by_its_decision_counts_for_the_interval(scene: Scene) -> None:
    scene.loop.advance(10.0)
    scene.schedule.height_started(Params())
    scene.arrive()
    assert scene.told == []
    scene.loop.advance(1.0)
    assert scene.told == [110.2]


def test_a_height_is_told_once_a_second_while_it_is_decided(scene: Scene) -> None:
    scene.loop.advance(10.0)
    scene.arrive()
    scene.arrive()
    scene.loop.advance(3.5)
    assert scene.told == [110.0, 111.0, 112.0, 113.0]


def test_repeating_does_not_delay_the_next_block(scene: Scene) -> None:
    scene.loop.advance(10.0)
    scene.arrive()
    scene.loop.advance(1.1)
    scene.schedule.height_started(Params())
    scene.loop.advance(0.0)
    assert scene.told[-1] == 111.1


def test_a_transaction_that_becomes_valid_later_is_found(scene: Scene) -> None:
    scene.loop.advance(10.0)
    scene.pending = True
    scene.loop.advance(1.1)
    assert len(scene.told) == 1


def test_nothing_is_told_after_stop(scene: Scene) -> None:
    scene.schedule.stop()
    scene.loop.advance(200.0)
    assert scene.told == []


def test_it_knows_how_long_there_has_been_work(scene: Scene) -> None:
    scene.loop.advance(10.0)
    assert scene.schedule.waiting_seconds() == 0.0
    scene.arrive()
    scene.loop.advance(3.5)
    assert scene.schedule.waiting_seconds() == 3.5
    scene.schedule.height_started(Params())
    assert scene.schedule.waiting_seconds() == 0.0
    scene.loop.advance(1.0)
    assert scene.schedule.waiting_seconds() == pytest.approx(1.0)  # the transaction is still there
    scene.pending = False  # it has expired
    scene.loop.advance(1.0)
    assert scene.schedule.waiting_seconds() == 0.0
