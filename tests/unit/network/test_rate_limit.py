"""Allowances are free up to a burst, then cost time."""

from network.kinds import BURST_SECONDS, RULES, Kind
from network.rate_limit import InboundLimits, TokenBucket


def test_the_burst_is_free_and_the_rest_is_paid_in_time() -> None:
    bucket = TokenBucket(rate=10, burst=20, now=0.0)
    assert bucket.charge(20, 0.0) == 0.0
    assert bucket.charge(5, 0.0) == 0.5
    assert bucket.charge(0, 0.5) == 0.0


def test_an_allowance_never_exceeds_its_burst() -> None:
    bucket = TokenBucket(rate=10, burst=20, now=0.0)
    assert bucket.charge(30, 1_000.0) == 1.0


def test_each_kind_has_its_own_allowance() -> None:
    limits = InboundLimits(0.0, RULES)
    rule = RULES[Kind.PING]
    waits = [limits.charge(Kind.PING, 3, 0.0) for _ in range(BURST_SECONDS * rule.frames_per_second + 1)]
    assert waits[-2] == 0.0
    assert waits[-1] > 0.0
    assert limits.charge(Kind.CONSENSUS, 300, 0.0) == 0.0


def test_one_frame_of_the_greatest_length_is_always_free() -> None:
    for kind, rule in RULES.items():
        assert InboundLimits(0.0, RULES).charge(kind, rule.max_bytes, 0.0) == 0.0
