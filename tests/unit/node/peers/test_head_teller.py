"""What peers are told of this node's head, and how often."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from network.messages import Status
from node.peers import head_teller
from node.peers.head_teller import HeadTeller
from tests.support.ledger import LocalChain, key_of

PEER = key_of("peer").public_key


class Peers:
    """The part of a PeerManager that is told."""

    def __init__(self) -> None:
        self.all: list[tuple[int, int]] = []
        self.one: list[Status] = []
        self.gone = False
        self.told_twice = asyncio.Event()

    def set_status(self, height: int, round_: int, digest: bytes) -> None:
        self.all.append((height, round_))
        if len(self.all) == 2:
            self.told_twice.set()

    def peer(self, key: bytes) -> Peers | None:
        return None if self.gone else self

    def send_message(self, message: Status) -> None:
        self.one.append(message)


class Scene:
    def __init__(self, folder: Path) -> None:
        self.chain = LocalChain(folder / "data")
        self.peers = Peers()
        manager: Any = self.peers
        self.teller = HeadTeller(self.chain.ledger, manager)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.teller.close()
    made.chain.close()


async def test_all_are_told_of_the_first_block_at_once_and_of_others_after_a_pause(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head_teller, "STATUS_PAUSE_SECONDS", 0.01)
    for _ in range(3):
        scene.chain.commit()
        scene.teller.head_moved()
    assert scene.peers.all == [(1, 0)]
    await asyncio.wait_for(scene.peers.told_twice.wait(), 10)
    assert scene.peers.all == [(1, 0), (3, 0)]


async def test_a_round_is_told_as_long_as_its_height_is_in_progress(scene: Scene) -> None:
    scene.teller.round_began(1, 4)
    scene.teller.tell_all()
    scene.chain.commit()
    scene.teller.tell_all()
    assert scene.peers.all == [(0, 4), (1, 0)]


async def test_one_that_keeps_asking_is_told_once_a_second(scene: Scene) -> None:
    for _ in range(5):
        scene.teller.tell(PEER)
    assert len(scene.peers.one) == 1
    scene.teller.forget(PEER)
    scene.teller.tell(PEER)
    assert len(scene.peers.one) == 2, "a peer that has come again knows nothing of what it was told"
    scene.peers.gone = True
    scene.teller.tell(key_of("stranger").public_key)
    assert len(scene.peers.one) == 2
