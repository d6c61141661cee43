"""The wide network's paths: delay, order, loss, cuts."""

from __future__ import annotations

import random

from tests.support.links import Direction, Switch


def path(seed: int = 1, **settings: float) -> Direction:
    direction = Direction(random.Random(seed))
    for name, value in settings.items():
        setattr(direction, name, value)
    return direction


def test_packets_arrive_late_by_the_delay_and_its_jitter_and_never_overtake() -> None:
    direction = path(delay_s=0.1, jitter_s=0.05)
    arrivals = [direction.arrival_s(i / 1_000) for i in range(500)]
    known = [arrival for arrival in arrivals if arrival is not None]
    assert len(known) == 500
    assert known == sorted(known)
    assert all(0.05 <= arrival - i / 1_000 <= 0.15 for i, arrival in enumerate(known))
    assert max(a - i / 1_000 for i, a in enumerate(known)) > 0.14


def test_a_share_of_packets_is_lost_and_the_same_ones_for_the_same_seed() -> None:
    first = [path(loss=0.02).arrival_s(0.0)]
    runs = []
    for seed in (1, 1, 2):
        direction = path(seed, loss=0.02)
        runs.append([direction.arrival_s(float(i)) is None for i in range(5_000)])
        assert direction.lost == sum(runs[-1])
        assert direction.carried + direction.lost == 5_000
    assert runs[0] == runs[1] != runs[2]
    assert 60 < sum(runs[0]) < 140
    assert first == [0.0]


def test_a_cut_holds_in_one_direction_until_the_next_cut() -> None:
    switch = Switch(["10.0.0.1", "10.0.0.2", "10.0.0.3"], [], 1)
    assert switch.command({"cut": [[0, 1]]}) == "ok"
    assert switch.directions[0, 1].arrival_s(1.0) is None
    assert switch.directions[1, 0].arrival_s(1.0) == 1.0
    switch.command({"delay_ms": 100})
    assert switch.directions[0, 1].cut
    assert switch.directions[1, 0].arrival_s(2.0) == 2.1
    switch.command({"cut": []})
    assert switch.directions[0, 1].arrival_s(2.0) == 2.1
    assert switch.command({"count": True}) == "[3, 0, 1]"
