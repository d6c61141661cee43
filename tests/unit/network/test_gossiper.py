"""The gossiper offers what is pending part by part, so that the loop turns in between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from network.gossip_streams import GossipStreams
from network.gossiper import AGAIN_AT_ONCE, MAX_OFFERS, Gossiper
from network.kinds import Kind
from network.messages import Transactions, decode

PEER = b"p" * 32


class Manager:
    """Notes what is sent, and in which turn of the loop."""

    def __init__(self) -> None:
        self.turn = 0
        self.sent: list[tuple[int, tuple[bytes, ...]]] = []

    def send_to(self, keys: Iterable[bytes], kind: Kind, payload: bytes) -> list[bytes]:
        message = decode(kind, payload)
        assert isinstance(message, Transactions)
        assert list(keys) == [PEER]
        self.sent.append((self.turn, message.items))
        return []

    async def count_turns(self) -> None:
        while True:
            self.turn += 1
            await asyncio.sleep(0)


class Newcomer:
    key = PEER


def pending(count: int) -> list[tuple[bytes, bytes]]:
    return [(number.to_bytes(32, "big"), number.to_bytes(100, "big")) for number in range(count)]


async def test_a_newcomer_is_offered_everything_but_not_in_one_turn() -> None:
    manager: Any = Manager()
    gossiper, newcomer = Gossiper(manager, b"o" * 32, GossipStreams(), delay=0.0), Newcomer()
    counting = asyncio.create_task(manager.count_turns())
    gossiper.peer_connected(newcomer)  # type: ignore[arg-type]
    everything = pending(10 * AGAIN_AT_ONCE)
    gossiper.offer_again(everything)
    for _ in range(10_000):
        if sum(len(items) for _, items in manager.sent) == len(everything):
            break
        await asyncio.sleep(0)
    counting.cancel()
    assert [raw for _, items in manager.sent for raw in items] == [raw for _, raw in everything]
    assert len({turn for turn, _ in manager.sent}) >= 10


async def test_what_is_offered_again_and_again_is_bounded() -> None:
    manager: Any = Manager()
    gossiper = Gossiper(manager, b"o" * 32, GossipStreams(), delay=60.0)
    for _ in range(2 * MAX_OFFERS):
        gossiper.offer_again(pending(3))
    assert len(gossiper._offers) == MAX_OFFERS
    gossiper.close()
    assert not gossiper._offers
