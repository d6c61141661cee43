from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vm.expiry import Expiry, earliest_block_time, expiry_at, expiry_from, has_expired, is_valid_at

TIME, TTL = 1_000, 100
TIMES = st.integers(0, 2_000)
TTLS = st.integers(1, 500)


@pytest.mark.parametrize(
    ("expires", "expected"),
    [
        (0, Expiry.EXPIRED),
        (TIME, Expiry.EXPIRED),
        (TIME + 1, Expiry.VALID),
        (TIME + TTL, Expiry.VALID),
        (TIME + TTL + 1, Expiry.TOO_FAR),
    ],
)
def test_a_transaction_is_valid_until_it_expires_and_no_earlier_than_the_ttl_before(expires: int, expected: Expiry):
    assert expiry_at(expires, TIME, TTL) is expected
    assert is_valid_at(expires, TIME, TTL) == (expected is Expiry.VALID)
    assert has_expired(expires, TIME) == (expected is Expiry.EXPIRED)


def test_the_reasons_are_those_that_clients_are_told():
    assert (Expiry.EXPIRED.value, Expiry.TOO_FAR.value) == ("EXPIRED", "EXPIRES_TOO_FAR")


@given(TIMES, TIMES, TTLS)
def test_the_window_is_the_same_seen_from_the_block_and_from_the_transaction(expires: int, time: int, ttl: int):
    valid = earliest_block_time(expires, ttl) <= time and not has_expired(expires, time)
    assert is_valid_at(expires, time, ttl) == valid


@given(TIMES, st.integers(2, 500), st.none() | st.integers(1, 2_000))
def test_a_new_transaction_is_valid_also_by_a_clock_half_the_ttl_behind(now: int, ttl: int, wanted: int | None):
    expires = expiry_from(now, ttl, wanted)
    assert is_valid_at(expires, now, ttl)
    assert is_valid_at(expires, now - ttl // 2, ttl)
    assert wanted is None or expires <= now + wanted
    assert wanted is not None or expires == now + ttl // 2
