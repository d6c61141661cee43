"""Whose request it is, behind proxies that are trusted and those that are not."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from node.gateway.forwarded import MAX_HOPS, Clients

PROXIES = ["10.0.0.0/8", "192.0.2.9", "2001:db8:f::/48"]


class Request:
    """What is looked at of a request."""

    def __init__(self, remote: str | None, *forwarded: str) -> None:
        self.remote = remote
        self.headers = CIMultiDict([("X-Forwarded-For", each) for each in forwarded])


@pytest.mark.parametrize(
    ("remote", "forwarded", "client"),
    [
        ("198.51.100.1", ("203.0.113.5",), "198.51.100.1"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.5",), "203.0.113.5"),
        ("10.0.0.1", ("1.1.1.1, 203.0.113.5",), "203.0.113.5"),
        ("10.0.0.1", ("1.1.1.1", "203.0.113.5"), "203.0.113.5"),
        ("10.0.0.1", ("203.0.113.5, 192.0.2.9, 10.1.1.1",), "203.0.113.5"),
        ("10.0.0.1", ("10.2.2.2, 10.1.1.1",), "10.2.2.2"),
        ("10.0.0.1", ("203.0.113.5:4711",), "203.0.113.5"),
        ("10.0.0.1", ("[2001:db8:1:2::7]:4711",), "2001:db8:1:2::/64"),
        ("10.0.0.1", ("2001:db8:1:2::7",), "2001:db8:1:2::/64"),
        ("10.0.0.1", ("203.0.113.5, unknown",), "10.0.0.1"),
        ("10.0.0.1", ("unknown, 203.0.113.5",), "203.0.113.5"),
        ("10.0.0.1", ("203.0.113.5, _hidden, 10.1.1.1",), "10.1.1.1"),
        ("10.0.0.1", (",,,",), "10.0.0.1"),
        ("::ffff:10.0.0.1", ("203.0.113.5",), "203.0.113.5"),
        ("2001:db8:f::1", ("203.0.113.5",), "203.0.113.5"),
        (None, ("203.0.113.5",), "unknown"),
    ],
)
def test_the_rightmost_hop_that_is_not_trusted_is_the_client(
    remote: str | None, forwarded: tuple[str, ...], client: str
) -> None:
    assert Clients(PROXIES).of(Request(remote, *forwarded)) == client  # type: ignore[arg-type]


def test_an_endless_list_costs_little() -> None:
    hops = ["203.0.113.5"] + ["10.1.1.1"] * MAX_HOPS
    request = Request("10.0.0.1", ",".join(["x"] * 10_000 + hops))
    assert Clients(PROXIES).of(request) == "10.1.1.1"  # type: ignore[arg-type]


def test_without_trust_no_header_is_read() -> None:
    request = make_mocked_request("POST", "/", {"X-Forwarded-For": "203.0.113.5"})
    assert Clients([]).of(request) == Clients([]).of(make_mocked_request("POST", "/"))
    assert not Clients([]).is_trusted("10.0.0.1")
    assert Clients(PROXIES).is_trusted("10.9.9.9")
    assert not Clients(PROXIES).is_trusted(None)
