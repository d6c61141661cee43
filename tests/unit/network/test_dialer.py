"""When a peer is dialled, and when it is left alone; with a fake connection and without waiting."""

import asyncio
from typing import cast

from network.config import PeerAddress, Timing
from network.dialer import HEARSAY_BURST, Dialer, Dialers
from network.hearsay import AddressBook, Place
from network.transport import Connection

LONG = Timing(redial_base=1_000.0, redial_cap=8_000.0, stable=1_000.0)
"""Any pause of it lasts longer than a test."""
A, B = PLACES = [Place("a", 1), Place("b", 2)]


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
        self.attempts: list[Place] = []
        self.connections: list[FakeConnection] = []
        self.needed = True
        self.reachable = reachable
        self.dialer = Dialer(lambda: PLACES, self.connect, lambda: self.needed, timing)

    async def connect(self, place: Place) -> Connection:
        self.attempts.append(place)
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
    assert dialled.attempts == [A]
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
    assert dialled.attempts == [A, B, A]
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
    assert dialled.attempts == [A]
    await dialled.dialer.stop()


async def test_pauses_double_up_to_a_cap_with_jitter() -> None:
    dialer = Dialled(LONG).dialer
    for failures, longest in ((0, 1_000), (1, 2_000), (3, 8_000), (4, 8_000), (10_000, 8_000)):
        dialer._failures = failures
        pauses = {dialer._pause() for _ in range(50)}
        assert all(longest / 2 <= pause <= longest for pause in pauses)
        assert len(pauses) > 1


ALICE, BOB, CAROL = b"a" * 32, b"b" * 32, b"c" * 32


class Unreachable:
    """Dialers whose every attempt fails, with what they tried."""

    def __init__(self, permitted: set[bytes], timing: Timing = LONG) -> None:
        self.permitted = permitted
        self.attempts: list[tuple[bytes, str, int]] = []
        self.book = AddressBook(ALICE, (), permitted.__contains__)
        self.dialers = Dialers(ALICE, self.book, self.connect, permitted.__contains__, timing)

    async def connect(self, key: bytes, place: Place) -> Connection:
        self.attempts.append((key, place.host, place.port))
        raise ConnectionRefusedError


async def test_configured_places_and_the_peers_own_word_are_tried_in_turn() -> None:
    net = Unreachable({BOB})
    net.dialers.configure([PeerAddress(BOB, "here", 1)])
    await turns()
    net.book.announced(BOB, "1.2.3.4", ("", 2_000))
    net.dialers.wake(BOB)
    await turns()
    net.dialers.configure([PeerAddress(BOB, "elsewhere", 3)])
    await turns()
    assert net.attempts == [(BOB, "here", 1), (BOB, "1.2.3.4", 2_000), (BOB, "elsewhere", 3)]
    net.dialers.configure([])
    net.dialers.wake_all()
    await turns()
    assert len(net.attempts) == 3
    await net.dialers.stop()


async def test_who_is_not_configured_is_dialled_where_others_say_once_it_is_permitted() -> None:
    net = Unreachable({BOB})
    net.dialers.configure([PeerAddress(BOB, "here", 1)])
    await turns()
    net.book.told(BOB, [(key, "1.2.3.4", 2_000) for key in (ALICE, BOB, CAROL)])
    net.dialers.book_changed()
    net.dialers.wake_all()
    await turns()
    assert {key for key, _, _ in net.attempts} == {BOB}
    assert (BOB, "1.2.3.4", 2_000) not in net.attempts, "what is configured stands"
    net.permitted.add(CAROL)
    net.dialers.wake_all()
    await turns()
    assert (CAROL, "1.2.3.4", 2_000) in net.attempts
    await net.dialers.stop()


async def test_a_peer_of_its_own_word_is_dialled_when_it_is_lost() -> None:
    net = Unreachable({CAROL})
    net.book.announced(CAROL, "1.2.3.4", ("", 2_000))
    net.dialers.wake(CAROL)
    await turns()
    assert net.attempts == [(CAROL, "1.2.3.4", 2_000)]
    await net.dialers.stop()


async def test_hearsay_is_dialled_at_a_bounded_rate_and_delays_no_configured_peer() -> None:
    """One bad peer tells of a whole list; those whom the operator named are dialled at once all the same."""
    listed = [bytes([0xFF]) + i.to_bytes(31, "big") for i in range(100)]
    net = Unreachable({BOB, *listed})
    net.book.told(CAROL, [(key, "1.2.3.4", 2_000) for key in listed])
    net.dialers.book_changed()
    await turns()
    assert len(net.attempts) == HEARSAY_BURST
    net.dialers.configure([PeerAddress(BOB, "here", 1)])
    await turns()
    assert net.attempts[HEARSAY_BURST:] == [(BOB, "here", 1)]
    await net.dialers.stop()


async def test_hearsay_is_tried_again_less_often_than_what_is_configured() -> None:
    timing = Timing(redial_base=1.0, redial_cap=4.0, hearsay_redial_cap=64.0)
    net = Unreachable({BOB, CAROL}, timing)
    net.dialers.configure([PeerAddress(BOB, "here", 1)])
    net.book.told(BOB, [(CAROL, "1.2.3.4", 2_000)])
    net.dialers.book_changed()
    longest = {}
    for key, dialer in net.dialers._dialers.items():
        dialer._failures = 20
        longest[key] = max(dialer._pause() for _ in range(200))
    assert longest[BOB] <= 4.0
    assert 32.0 <= longest[CAROL] <= 64.0
    await net.dialers.stop()
