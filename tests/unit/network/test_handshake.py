"""HELLO comes first and fits; two nodes agree which of two connections to keep."""

import itertools

import pytest

from network.errors import MalformedFrame, OutOfPlace, WrongChain
from network.handshake import keeps_newcomer, read_hello
from network.kinds import Kind
from network.messages import Hello, Ping, encode_message

HELLO = Hello(chain="demo-1", version=1, height=3, instance=bytes(16))


def test_a_fitting_hello_is_read() -> None:
    assert read_hello("demo-1", Kind.HELLO, encode_message(HELLO)) == HELLO


def test_anything_else_first_is_refused() -> None:
    with pytest.raises(OutOfPlace):
        read_hello("demo-1", Kind.PING, encode_message(Ping(id=1)))
    with pytest.raises(MalformedFrame):
        read_hello("demo-1", Kind.HELLO, b"\x90")


@pytest.mark.parametrize(("chain", "version"), [("demo-2", 1), ("demo-1", 2)])
def test_another_chain_or_version_is_refused(chain: str, version: int) -> None:
    hello = Hello(chain=chain, version=version, height=3, instance=bytes(16))
    with pytest.raises(WrongChain):
        read_hello("demo-1", Kind.HELLO, encode_message(hello))


@pytest.mark.parametrize("order", list(itertools.product([True, False], repeat=2)))
def test_both_sides_keep_the_same_of_two_crossing_connections(order: tuple[bool, bool]) -> None:
    small, large = b"a" * 32, b"b" * 32
    kept_dialler = []
    # Each side sees the two connections in either order: (dialled by small first?) at small, at large.
    for own, peer, small_first in ((small, large, order[0]), (large, small, order[1])):
        first, second = (small, large) if small_first else (large, small)
        newcomer = keeps_newcomer(
            own,
            peer,
            same_instance=True,
            standing_dialled_by_us=first == own,
            newcomer_dialled_by_us=second == own,
        )
        kept_dialler.append(second if newcomer else first)
    assert kept_dialler == [small, small]


@pytest.mark.parametrize("by_us", [True, False])
def test_a_restarted_peer_replaces_its_former_self(by_us: bool) -> None:
    assert keeps_newcomer(
        b"a" * 32,
        b"b" * 32,
        same_instance=False,
        standing_dialled_by_us=True,
        newcomer_dialled_by_us=by_us,
    )
