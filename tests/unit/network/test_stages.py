"""Stages count what they take themselves, not what is within them."""

from __future__ import annotations

import pytest

from network import stages
from network.stages import Stages


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A thread's clock that the test sets."""
    now = [0.0]
    monkeypatch.setattr(stages, "thread_time", lambda: now[0])
    return now


def test_an_inner_stage_takes_its_time_from_the_outer_one(clock: list[float]) -> None:
    made = Stages()
    with made.consensus:
        clock[0] += 1
        with made.commit:
            clock[0] += 10
            with made.write:
                clock[0] += 100
            clock[0] += 20
        clock[0] += 2
    clock[0] += 1_000
    assert (made.consensus.seconds, made.commit.seconds, made.write.seconds) == (3, 30, 100)


def test_a_stage_ends_with_an_exception(clock: list[float]) -> None:
    made = Stages()

    def fail() -> None:
        with made.consensus:
            clock[0] += 1
            with made.execute:
                clock[0] += 5
                raise ValueError

    with pytest.raises(ValueError):
        fail()
    assert (made.consensus.seconds, made.execute.seconds, made.entered) == (1, 5, [])


def test_work_that_alternates_is_divided_by_wall_time(clock: list[float]) -> None:
    made = Stages()
    before = made.admission.seconds
    with made.admission:
        clock[0] += 8
    made.admission.hand_over(before, 16.0, {made.parse: 2.0, made.verify: 10.0})
    assert (made.admission.seconds, made.parse.seconds, made.verify.seconds) == (2, 1, 5)


def test_all_are_told_by_name_and_what_other_threads_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "thread_time", lambda: 3.0)
    monkeypatch.setattr(stages, "process_time", lambda: 5.0)
    told = Stages().seconds()
    assert told["threads"] == 2.0
    assert told.keys() >= {"verify", "execute", "tree", "commit", "write"}
