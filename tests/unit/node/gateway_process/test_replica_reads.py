"""A replica reads what the store holds, record by record, and begins again where a block came in between."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.gateway.reading import AnsweredElsewhere
from node.gateway_process import read_server, read_thread
from node.gateway_process.frames import Moved, Position, Value, framed, read_request
from node.gateway_process.read_server import ReadServer
from node.gateway_process.read_thread import ReadThread
from node.gateway_process.remote_engine import RemoteEngine
from node.store import Head, Store
from node.store.engine import EngineError
from tests.support.ledger import LocalChain, address_of, program_op

SHOPPER = address_of("shopper")


def position(store: Store) -> Position:
    return Position(store.head, store.oldest_block, store.oldest_state_height)


class Node(threading.Thread):
    """Answers raw reads on a loop of its own thread, as a node does in its process."""

    def __init__(self, chain: LocalChain, end: socket.socket) -> None:
        super().__init__(daemon=True)
        self.chain = chain
        self.end = end
        self.loop = asyncio.new_event_loop()

    def run(self) -> None:
        async def listen() -> None:
            server = ReadServer(self.chain.store, self.loop.stop)
            await self.loop.connect_accepted_socket(lambda: server.stream, self.end)

        self.loop.run_until_complete(listen())
        self.loop.run_forever()
        self.loop.close()


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[LocalChain]:
    chain = LocalChain(tmp_path / "data", [program_op("sun", "aurora")])
    yield chain
    chain.close()


@pytest.fixture
def reads(chain: LocalChain) -> Iterator[ReadThread]:
    ours, theirs = socket.socketpair()
    node = Node(chain, theirs)
    node.start()
    thread = ReadThread(ours, position(chain.store))
    chain.state_followers.append(lambda changes: thread.moved(Moved(position(chain.store), dict(changes))))
    yield thread
    thread._engine.close()
    node.join(10)
    assert not node.is_alive()


def issue(chain: LocalChain, amount: int) -> bytes:
    op = ("token.issue", {"program": "sun", "to": SHOPPER, "amount": amount, "ref": f"order-{amount}"})
    return chain.sign("aurora-admin", [op])


async def test_a_replica_answers_as_the_store_does(chain: LocalChain, reads: ReadThread) -> None:
    store, replica = chain.store, reads.replica
    for amount in range(1, 8):
        before = await reads.do(lambda: replica.head)
        assert before == store.head
        raw = issue(chain, amount)
        chain.commit([raw])
        values = dict(store.state_values())
        for height in range(store.head.height + 1):
            for key in values:
                assert await reads.do(lambda k=key, h=height: replica.state_value(k, h)) == store.state_value(
                    key, height
                )
            for read in ("head_at", "block_bytes", "certificate_bytes", "receipts"):
                assert await reads.do(lambda r=read, h=height: getattr(replica, r)(h)) == getattr(store, read)(
                    height
                )
        assert await reads.do(lambda: replica.height_of_digest(store.head.digest)) == store.head.height
        page = await reads.do(lambda: replica.transactions_of("brand", "aurora", limit=3))
        assert page == store.transactions_of("brand", "aurora", limit=3)


async def test_ranges_are_read_piece_by_piece(
    chain: LocalChain, reads: ReadThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    for amount in range(1, 6):
        chain.commit([issue(chain, amount)])
    monkeypatch.setattr(read_server, "PIECE_ENTRIES", 2)
    page = await reads.do(lambda: reads.replica.transactions_of("brand", "aurora"))
    assert page == chain.store.transactions_of("brand", "aurora")
    assert len(page.items) >= 5


async def test_a_read_that_a_block_interrupts_begins_again(chain: LocalChain, reads: ReadThread) -> None:
    seen: list[int] = []

    def read() -> tuple[int, int]:
        height = reads.replica.head.height
        seen.append(height)
        if len(seen) == 1:
            chain.commit([issue(chain, 1)])
        assert reads.replica.head_at(0) is not None
        return height, reads.replica.head.height

    assert await reads.do(read) == (1, 1)
    assert seen == [0, 1]


async def test_an_interrupted_read_waits_until_it_is_told_of_the_block(
    chain: LocalChain, reads: ReadThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    moves: list[Moved] = []
    moved = reads.moved
    monkeypatch.setattr(reads, "moved", moves.append)
    interrupted = threading.Event()
    wait_for = reads._wait_for

    def waiting(height: int) -> None:
        interrupted.set()
        wait_for(height)

    monkeypatch.setattr(reads, "_wait_for", waiting)
    chain.commit([issue(chain, 1)])
    reading = asyncio.create_task(reads.do(lambda: reads.replica.head_at(1)))
    assert await asyncio.to_thread(interrupted.wait, 20)
    assert not reading.done()
    moved(moves[0])
    assert await reading == chain.store.head


async def test_a_read_that_blocks_interrupt_again_and_again_is_the_nodes(
    chain: LocalChain, reads: ReadThread
) -> None:
    def read() -> None:
        chain.commit([issue(chain, reads.replica.head.height + 1)])
        reads.replica.head_at(0)

    with pytest.raises(AnsweredElsewhere):
        await reads.do(read)
    assert chain.height == read_thread.TRIES


async def test_values_in_the_cache_move_with_the_head(chain: LocalChain, reads: ReadThread) -> None:
    key = next(key for key, _ in chain.store.state_values() if key.startswith("token/program/"))
    await reads.do(lambda: reads.replica.state_value(key))
    chain.commit([issue(chain, 1)])
    for name in dict(chain.store.state_values()):
        assert await reads.do(lambda n=name: reads.replica.state_value(n)) == chain.store.state_value(name)
    chain.commit([issue(chain, 2)])
    for name in dict(chain.store.state_values()):
        assert await reads.do(lambda n=name: reads.replica.state_value(n)) == chain.store.state_value(name)
    reads.moved(Moved(position(chain.store), None))
    assert await reads.do(lambda: reads.replica.reader._cache.bytes_held) == 0


async def test_a_proof_is_the_nodes(chain: LocalChain, reads: ReadThread) -> None:
    with pytest.raises(AnsweredElsewhere):
        await reads.do(lambda: reads.replica.state_proof("chain/params"))


def test_nothing_is_written_and_nothing_read_backwards() -> None:
    ours, theirs = socket.socketpair()
    engine = RemoteEngine(ours, 0, 1)
    for refused in (
        lambda: engine.put(b"k", b"v"),
        lambda: engine.batch(sync=True),
        lambda: engine.compact(b"", b"x"),
        lambda: engine.snapshot(),
        lambda: engine.iterator(start=b"", stop=b"x", reverse=True),
    ):
        with pytest.raises(EngineError):
            refused()
    engine.close()
    theirs.close()


async def test_a_read_from_a_node_that_has_gone_is_answered_elsewhere(caplog: pytest.LogCaptureFixture) -> None:
    ours, theirs = socket.socketpair()
    head = Position(Head(0, b"d", b"s", b"r"), 1, 0)
    thread = ReadThread(ours, head)
    theirs.close()
    with pytest.raises(AnsweredElsewhere):
        await thread.do(lambda: thread.replica.block_bytes(1))
    assert "a read was handed to the node" in caplog.text
    thread._engine.close()


async def test_what_is_pruned_meanwhile_is_known_with_the_answer(chain: LocalChain) -> None:
    ours, theirs = socket.socketpair()
    thread = ReadThread(ours, position(chain.store))
    theirs.sendall(framed(Value(0, 5, None)))
    assert await thread.do(lambda: (thread.replica.block_bytes(1), thread.replica.oldest_block)) == (None, 5)
    request = theirs.recv(1_000)
    assert read_request.decode(request[4:]).key.startswith(b"b")  # type: ignore[union-attr]
    thread._engine.close()
    theirs.close()
