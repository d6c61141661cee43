"""When a peer is dialled, and when it is left alone; with a fake connection and without waiting."""

import asyncio
from typing import cast

from network.config import PeerAddress, Timing
from network.dialer import MAX_TOLD_ADDRESSES, MAX_TOLD_KEYS, Address, Dialer, Dialers
from network.transport import Connection

LONG = Timing(redial_base=1_000.0, redial_cap=8_000.0, stable=1_000.0)
"""Any pause of it lasts longer than a test."""
PLACES: list[Address] = [("a", 1), ("b", 2)]


class FakeConnection:
    """A connection that ends when it is told, and tells the dialer as the peer manager does."""

    def __init__(self, dialer: Dialer) -> None:
        self.dialer = dialer
        self.ended = asyncio.Event()

    async def wait_closed(self) -> None:
        await self.ended.wait()
        self.dialer.wake()


class Dialled:
    """A dialer of PLACES with what it did."""

    def __init__(self, timing: Timing, reachable: bool = True) -> None:
        self.attempts: list[Address] = []
        self.connections: list[FakeConnection] = []
        self.needed = True
        self.reachable = reachable
        self.dialer = Dialer(lambda: PLACES, self.connect, lambda: self.needed, timing)

    async def connect(self, address: Address) -> Connection:
        self.attempts.append(address)
        if not self.reachable:
            raise ConnectionRefusedError
        self.connections.append(FakeConnection(self.dialer))
        return cast(Connection, self.connections[-1])


async def turns() -> None:
    """Let everything happen that can happen now."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_a_connection_is_dialled_once_while_it_lasts() -> None:
    dialled = Dialled(LONG)
    dialled.dialer.start(0.0)
    await turns()
    assert dialled.attempts == [("a", 1)]
    await dialled.dialer.stop()


async def test_a_connection_that_ends_at_once_is_not_dialled_at_once_again() -> None:
    """The end of a connection wakes its dialer; that must not cut its own pause short."""
    dialled = Dialled(LONG)
    dialled.dialer.start(0.0)
    await turns()
    dialled.connections[0].ended.set()
    await turns()
    assert len(dialled.attempts) == 1
    await dialled.dialer.stop()


async def test_news_cuts_a_pause_short_and_the_next_address_is_tried() -> None:
    dialled = Dialled(LONG, reachable=False)
    dialled.dialer.start(0.0)
    await turns()
    dialled.dialer.wake()
    await turns()
    dialled.dialer.wake()
    await turns()
    assert dialled.attempts == [("a", 1), ("b", 2), ("a", 1)]
    await dialled.dialer.stop()


async def test_nobody_is_dialled_who_is_not_needed() -> None:
    dialled = Dialled(Timing(redial_base=0.0))
    dialled.needed = False
    dialled.dialer.start(0.0)
    await turns()
    dialled.dialer.wake()
    await turns()
    assert dialled.attempts == []
    dialled.needed = True
    dialled.dialer.wake()
    await turns()
    assert dialled.attempts == [("a", 1)]
    await dialled.dialer.stop()


async def test_pauses_double_up_to_a_cap_with_jitter() -> None:
    dialer = Dialled(LONG).dialer
    for failures, longest in ((0, 1_000), (1, 2_000), (3, 8_000), (4, 8_000), (10_000, 8_000)):
        dialer._failures = failures
        pauses = {dialer._pause() for _ in range(50)}
        assert all(longest / 2 <= pause <= longest for pause in pauses)
        assert len(pauses) > 1


async def test_the_book_of_addresses_keeps_what_is_configured_and_what_was_said() -> None:
    alice, bob = b"a" * 32, b"b" * 32
    attempts: list[tuple[bytes, Address]] = []

    async def connect(key: bytes, address: Address) -> Connection:
        attempts.append((key, address))
        raise ConnectionRefusedError

    dialers = Dialers(alice, connect, lambda key: True, LONG)
    dialers.learn(bob, ("unasked", 9))
    dialers.configure([PeerAddress(bob, "here", 1)])
    await turns()
    dialers.learn(bob, ("there", 2))
    dialers.wake(bob)
    await turns()
    dialers.configure([PeerAddress(bob, "elsewhere", 3)])
    await turns()
    assert attempts == [(bob, ("here", 1)), (bob, ("there", 2)), (bob, ("elsewhere", 3))]
    dialers.configure([])
    dialers.wake_all()
    await turns()
    assert len(attempts) == 3
    await dialers.stop()


async def test_who_is_not_configured_is_dialled_where_others_say_once_it_is_permitted() -> None:
    alice, bob, carol = b"a" * 32, b"b" * 32, b"c" * 32
    attempts: list[tuple[bytes, Address]] = []
    permitted = {bob}

    async def connect(key: bytes, address: Address) -> Connection:
        attempts.append((key, address))
        raise ConnectionRefusedError

    dialers = Dialers(alice, connect, permitted.__contains__, LONG)
    dialers.configure([PeerAddress(bob, "here", 1)])
    await turns()
    for key in (alice, bob, carol):
        dialers.discover(key, ("told", 2))
    dialers.wake_all()
    await turns()
    assert {key for key, _ in attempts} == {bob}
    assert ("told", 2) not in [address for _, address in attempts], "what is configured stands"
    permitted.add(carol)
    dialers.wake_all()
    await turns()
    assert (carol, ("told", 2)) in attempts
    await dialers.stop()


async def test_what_is_told_is_bounded() -> None:
    async def connect(key: bytes, address: Address) -> Connection:
        raise ConnectionRefusedError

    dialers = Dialers(b"a" * 32, connect, lambda key: False, LONG)
    for i in range(MAX_TOLD_KEYS + 10):
        for port in range(1, MAX_TOLD_ADDRESSES + 3):
            dialers.discover(i.to_bytes(32, "big"), ("told", port))
    assert len(dialers._told) == MAX_TOLD_KEYS
    assert {len(told) for told in dialers._told.values()} == {MAX_TOLD_ADDRESSES}
    assert dialers._dialers == {}
