"""Token buckets and API keys."""

import pytest

from node.gateway import limits
from node.gateway.limits import ApiKeys, RateLimiter, client_of


class Time:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_a_bucket_empties_and_fills():
    time = Time()
    limiter = RateLimiter(per_second=10, burst=5, now=time)
    assert limiter.take("a", 10) == 0
    assert limiter.take("a", 1) == 100
    assert limiter.take("b", 10) == 0
    time.now += 0.125  # exact in binary
    assert limiter.take("a", 1) == 0
    assert limiter.take("a", 1) == 75
    time.now += 1_000
    assert limiter.take("a", 11) == 100  # never more than a second's worth
    assert limiter.take("a", 10) == 0


def test_a_refused_batch_takes_nothing():
    limiter = RateLimiter(per_second=10, burst=5, now=Time())
    assert limiter.take("a", 8) == 0
    assert limiter.take("a", 5) == 300
    assert limiter.take("a", 2) == 0


def test_the_largest_batch_always_fits_into_a_full_bucket():
    limiter = RateLimiter(per_second=10, burst=1_000, now=Time())
    assert limiter.take("a", 1_000) == 0


def test_strangers_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(limits, "MAX_TRACKED_CLIENTS", 3)
    limiter = RateLimiter(per_second=1, burst=1, now=Time())
    for client in "abc":
        limiter.take(client, 1)
    assert limiter.take("a", 1) > 0  # asked last, so it is the last to be forgotten
    limiter.take("d", 1)
    assert limiter.take("a", 1) > 0
    assert limiter.take("b", 1) == 0


@pytest.mark.parametrize(
    ("remote", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("a name", "a name"),
        (None, "unknown"),
    ],
)
def test_clients_are_addresses_or_networks(remote, client):
    assert client_of(remote) == client


def test_keys():
    closed = ApiKeys(["r1", "r2"], ["w"])
    assert closed.permissions(None) == (False, False)
    assert closed.permissions("Bearer r2") == (True, False)
    assert closed.permissions("Bearer  w ") == (True, True)
    assert closed.permissions("Bearer r") == (False, False)
    assert closed.permissions("Bearer") == (False, False)
    assert closed.permissions("Bearer \udcff") == (False, False)
    assert closed.permissions("Basic w") == (False, False)
    assert ApiKeys([], ["w"]).permissions(None) == (True, False)
    assert ApiKeys(["r"], []).permissions(None) == (False, True)
    assert ApiKeys([], []).permissions(None) == (True, True)


@pytest.mark.parametrize("header", ["Bearer r1", "Bearer w2", "Bearer wrong", "Bearer ", "Bearer " + "x" * 5_000])
def test_every_key_is_compared_in_constant_time_whichever_matches(monkeypatch, header):
    keys = ApiKeys(["r1", "r2"], ["w1", "w2", "w3"])
    compared = []

    def compare(mine, other):
        compared.append((len(mine), len(other)))
        return mine == other

    monkeypatch.setattr(limits.hmac, "compare_digest", compare)
    allowed = keys.permissions(header)
    assert compared == [(32, 32)] * 5, "digests of one length, so that no length shows either"
    assert allowed == {"Bearer r1": (True, False), "Bearer w2": (True, True)}.get(header, (False, False))
