"""A ticket names its holder to one listener, for a while; anything else is no ticket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from network import tickets as under_test
from network.tickets import WINDOW_SECONDS, Tickets
from vm.primitives.keys import SigningKey

CHAIN = "demo-0123456789abcdef"
ALICE, BOB, CAROL = (SigningKey(bytes([i]) * 32) for i in (1, 2, 3))
NOW = 1_000 * WINDOW_SECONDS


def everybody(key: bytes) -> bool:
    return True


def issued(dialler: SigningKey = BOB, listener: SigningKey = ALICE, chain: str = CHAIN, now: int = NOW) -> str:
    ticket = Tickets(chain, dialler).issue(listener.public_key, now)
    assert ticket is not None
    return ticket


def holder(name: str, now: int = NOW) -> bytes | None:
    return Tickets(CHAIN, ALICE).holder(name, everybody, now)


def test_a_ticket_names_its_holder() -> None:
    assert holder(issued()) == BOB.public_key
    assert holder(issued(CAROL)) == CAROL.public_key


def test_a_ticket_is_a_server_name_that_tls_takes() -> None:
    labels = issued().split(".")
    assert len(issued()) <= 253
    assert all(label.isalnum() and label == label.lower() and len(label) <= 63 for label in labels)


@pytest.mark.parametrize("windows", [-1, 0, 1])
def test_clocks_may_differ_by_a_window(windows: int) -> None:
    assert holder(issued(), NOW + windows * WINDOW_SECONDS) == BOB.public_key


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(issued(listener=CAROL), id="for another listener"),
        pytest.param(issued(chain="another"), id="of another chain"),
        pytest.param(issued(now=NOW - 2 * WINDOW_SECONDS), id="of long ago"),
        pytest.param(issued(now=NOW + 2 * WINDOW_SECONDS), id="of a time to come"),
        pytest.param(issued(ALICE, BOB), id="sent back to its issuer"),
        pytest.param(issued()[:52] + issued(ALICE, BOB)[52:], id="turned round"),
        pytest.param("a" * 52 + issued()[52:], id="with another key"),
        pytest.param(issued()[:53] + "a" * 26 + ".entente", id="with another MAC"),
        pytest.param("entente", id="none"),
        pytest.param("", id="empty"),
    ],
)
def test_what_is_no_ticket_has_no_holder(name: str) -> None:
    assert holder(name) is None


def test_secrets_are_worked_out_for_listed_keys_only() -> None:
    tickets = Tickets(CHAIN, ALICE)
    assert tickets.holder(issued(), {CAROL.public_key}.__contains__, NOW) is None
    assert not tickets._secrets
    assert tickets.holder(issued(), {BOB.public_key}.__contains__, NOW) == BOB.public_key


def test_secrets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "_MAX_SECRETS", 3)
    tickets = Tickets(CHAIN, ALICE)
    for number in range(5):
        assert tickets.issue(SigningKey(bytes([number]) * 32).public_key, NOW) is not None
    assert len(tickets._secrets) == 3


@pytest.mark.parametrize("key", [bytes(32), (1).to_bytes(32, "little"), b"\xff" * 32])
def test_a_key_without_a_main_group_point_gets_no_ticket(key: bytes) -> None:
    assert Tickets(CHAIN, ALICE).issue(key, NOW) is None


@given(st.one_of(st.text(), st.from_regex(r"[a-z2-7]{52}\.[a-z2-7]{26}\.entente", fullmatch=True)))
def test_any_name_is_answered(name: str) -> None:
    assert holder(name) is None
