"""Who may be half-open, and who must go when a lane is full."""

import itertools

import pytest

from network.door import DoorRules, Lane, LaneRule, Rate, source_of

HERE, THERE = "10.0.0.1", "10.0.0.2"


def test_a_full_lane_drops_the_oldest_of_the_source_that_holds_most() -> None:
    lane: Lane[int] = Lane(LaneRule(capacity=4, per_source=4), 0.0)
    lane.enter(THERE, 0, 0.0)
    for guest in (1, 2, 3):
        assert lane.enter(HERE, guest, 0.0).dropped is None
    assert lane.enter("10.0.0.3", 4, 0.0).dropped == 1
    assert lane.enter("10.0.0.4", 5, 0.0).dropped == 2
    assert len(lane) == 4


def test_a_source_at_its_share_drives_out_its_own() -> None:
    lane: Lane[int] = Lane(LaneRule(capacity=10, per_source=2), 0.0)
    lane.enter(THERE, 0, 0.0)
    dropped = [lane.enter(HERE, guest, 0.0).dropped for guest in (1, 2, 3, 4)]
    assert dropped == [None, None, 1, 2]
    assert len(lane) == 3


def test_whoever_has_left_makes_room_and_may_leave_twice() -> None:
    lane: Lane[int] = Lane(LaneRule(capacity=1, per_source=1), 0.0)
    lane.enter(HERE, 1, 0.0)
    lane.leave(HERE, 1)
    lane.leave(HERE, 1)
    assert len(lane) == 0
    assert lane.enter(HERE, 2, 0.0).dropped is None
    assert lane.drop_one() == 2
    assert lane.drop_one() is None


def test_an_attempt_that_is_refused_takes_nothing_from_later_ones() -> None:
    """24,000 attempts at once were a debt of twenty minutes once."""
    lane: Lane[int] = Lane(LaneRule(100, 100, source_rate=Rate(per_second=10, burst=5)), 0.0)
    admitted = [lane.enter(HERE, guest, 0.0).admitted for guest in range(24_000)]
    assert sum(admitted) == 5
    assert not lane.enter(HERE, -1, 0.05).admitted
    assert lane.enter(HERE, -2, 0.11).admitted
    assert lane.enter(THERE, -3, 0.0).admitted


def test_one_source_does_not_spend_what_all_share_when_it_is_refused() -> None:
    lane: Lane[int] = Lane(LaneRule(100, 100, Rate(1, 6), Rate(1, 5)), 0.0)
    for guest in range(1_000):
        lane.enter(HERE, guest, 0.0)
    assert lane.enter(THERE, -1, 0.0).admitted
    assert not lane.enter("10.0.0.3", -2, 0.0).admitted


def test_what_is_remembered_of_sources_is_bounded() -> None:
    lane: Lane[int] = Lane(LaneRule(16, 4, source_rate=Rate(1, 1)), 0.0)
    for guest in range(5_000):
        lane.enter(f"10.0.{guest // 256}.{guest % 256}", guest, 0.0)
    assert len(lane) == 16
    assert len(lane._guests) == 16
    assert len(lane._buckets) <= 1_024


def test_half_open_connections_are_bounded_well_below_a_usual_limit_of_descriptors() -> None:
    rules = DoorRules()
    lanes: list[Lane[int]] = [
        Lane(rule, 0.0)
        for rule in (
            rules.strangers_waiting,
            rules.known_waiting,
            rules.strangers,
            rules.known,
            rules.ticketed,
        )
    ]
    for lane, guest in itertools.product(lanes, range(3_000)):
        lane.enter(f"10.0.{guest // 256}.{guest % 256}", guest, float(guest))
    assert sum(map(len, lanes)) == rules.half_open <= 512


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_network_is_one_source(host: str, source: str) -> None:
    assert source_of(host) == source
