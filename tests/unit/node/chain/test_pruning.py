"""Old blocks go, what light clients and replay protection need stays, and the disk space comes back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import msgspec
import pytest

from consensus.types import decode_certificate
from node.chain import pruning
from node.chain.errors import BlockPruned
from node.chain.feed import BlockFeed
from node.chain.pruning import MAY_BE_PRUNED, Pruner
from node.chain.queries import ChainQueries
from node.gateway.chain_methods import ChainMethods
from node.gateway.errors import NOT_FOUND, REFUSED, RpcFault
from node.gateway.transaction_methods import TransactionMethods
from node.pool.admission import AdmissionQueue
from node.pool.mempool import Mempool
from node.runtime.config import NodeConfig
from node.runtime.errors import TransactionRefused
from node.store import CommitRefused, PrunedBlock, Store
from tests.support.ledger import START_MS, LocalChain, LocalNode, ManualClock, address_of, program_op
from vm.params import Params
from vm.primitives.codec import encode
from vm.transaction import parse_transaction

pytestmark = pytest.mark.usefixtures("each_engine")

TRANSFER = ("token.transfer", {"program": "miles", "to": address_of("bea"), "amount": 1})


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[LocalChain]:
    chain = LocalChain(tmp_path / "data", [program_op("miles", "aurora")])
    issue = {"program": "miles", "to": address_of("aurora-admin"), "amount": 10_000, "ref": "float"}
    chain.commit([chain.sign("aurora-admin", [("token.issue", issue)])])
    yield chain
    chain.close()


def pruner_of(chain: LocalChain, retain: int) -> Pruner:
    return Pruner(chain.ledger, BlockFeed(chain.store), retain)


def transfer(chain: LocalChain, expires_in: int = 400) -> bytes:
    """Commit a block with one transfer; return the transfer."""
    raw = chain.sign("aurora-admin", [TRANSFER], expires=chain.ledger.head_time + expires_in)
    chain.commit([raw])
    return raw


def prune_all(pruner: Pruner) -> int:
    count = 0
    while asyncio.run(pruner.prune_one()):
        count += 1
    return count


def test_blocks_below_those_retained_go_once_their_transactions_have_expired(chain: LocalChain) -> None:
    raws = [transfer(chain) for _ in range(20)]
    pruner = pruner_of(chain, retain=5)
    assert prune_all(pruner) == 0, "the float's issue has not expired"
    chain.commit(time=chain.ledger.head_time + 60_000)
    assert prune_all(pruner) == 17
    store = chain.store
    assert store.oldest_block == 18
    assert [store.block_bytes(height) is None for height in (17, 18)] == [True, False]
    assert store.receipts(17) == []
    assert not store.contains_transaction(parse_transaction(raws[0]).id)
    assert store.contains_transaction(parse_transaction(raws[-1]).id)
    page = store.transactions_of("call", "token.transfer", limit=100)
    assert [height for height, _ in page.items] == [18, 19, 20, 21]


def test_pages_of_a_pruned_node_say_where_they_begin_and_skip_nothing(chain: LocalChain) -> None:
    for _ in range(6):
        transfer(chain)
    pages = ChainMethods(LocalNode(chain))
    begun = pages.transactions(limit=3)
    assert (begun.oldest, begun.next) == (1, begun.resume)
    chain.commit(time=chain.ledger.head_time + 60_000)
    prune_all(pruner_of(chain, retain=3))
    for account in (None, address_of("aurora-admin")):
        page = pages.transactions(account=account)
        assert (page.items[0].height, page.oldest, page.complete_to) == (6, 6, 8)
        for params in ({"from_": 1}, {"to": 5}, {"cursor": begun.next}):
            with pytest.raises(BlockPruned) as refused:
                pages.transactions(account=account, **params)
            assert (refused.value.oldest, refused.value.head) == (6, 8)


def test_a_transaction_that_can_still_be_replayed_is_never_forgotten(chain: LocalChain) -> None:
    chain.commit(time=chain.ledger.head_time + 60_000)
    late = transfer(chain, expires_in=50_000)
    for _ in range(10):
        transfer(chain)
    pruner = pruner_of(chain, retain=1)
    prune_all(pruner)
    assert chain.store.oldest_block == 3
    with pytest.raises(ValueError, match="has been in the chain"):
        chain.commit([late])
    chain.commit(time=parse_transaction(late).body.expires)
    prune_all(pruner)
    assert not chain.store.contains_transaction(parse_transaction(late).id)
    with pytest.raises(ValueError, match="not valid at"):
        chain.commit([late])


def test_headers_and_the_certificates_that_blocks_embedded_stay(chain: LocalChain) -> None:
    for _ in range(5):
        chain.commit()
    stored_alone = decode_certificate(chain.store.certificate_bytes(2) or b"")
    chain.store.put_certificate(2, encode(msgspec.structs.replace(stored_alone, seals=stored_alone.seals[:3])))
    queries = ChainQueries(chain.genesis, chain.store)
    before = [
        (queries.header(height), queries.certificate(height), queries.digest(height)) for height in range(1, 7)
    ]
    chain.commit(time=chain.ledger.head_time + 60_000)
    assert prune_all(pruner_of(chain, retain=1)) == 6
    queries = ChainQueries(chain.genesis, chain.store)
    after = [
        (queries.header(height), queries.certificate(height), queries.digest(height)) for height in range(1, 7)
    ]
    assert after == before
    stored = chain.store.certificate_bytes(2)
    assert stored is not None
    assert decode_certificate(stored) == before[1][1]


def test_pruned_heights_are_answered_with_their_own_reason(chain: LocalChain) -> None:
    raw = transfer(chain)
    chain.commit(time=chain.ledger.head_time + 60_000)
    chain.commit()
    prune_all(pruner_of(chain, retain=1))
    methods = ChainMethods(LocalNode(chain))
    questions = [
        lambda: methods.block(2),
        lambda: methods.block(digest=chain.store.head_at(2).digest),  # type: ignore[union-attr]
        lambda: methods.transactions(from_=2),
    ]
    for ask in questions:
        with pytest.raises(BlockPruned) as caught:
            ask()
        assert (caught.value.height, caught.value.oldest, caught.value.head) == (2, 4, 4)
    with pytest.raises(RpcFault, match="no transaction has this id"):
        methods.transaction(parse_transaction(raw).id)
    assert methods.transactions().items == []
    assert methods.certificate(2) is not None


def test_the_floor_survives_and_pruning_goes_on(tmp_path: Path) -> None:
    chain = LocalChain(tmp_path / "data")
    for _ in range(10):
        chain.commit()
    prune_all(pruner_of(chain, retain=4))
    chain.close()
    chain = LocalChain(tmp_path / "data")
    assert chain.store.oldest_block == 7
    chain.commit()
    assert prune_all(pruner_of(chain, retain=4)) == 1
    with pytest.raises(CommitRefused):
        chain.store.prune_block(PrunedBlock(3, b"", None, [], []))
    chain.close()


async def test_the_disk_space_comes_back(tmp_path: Path) -> None:
    chain = LocalChain(tmp_path / "data", [program_op("miles", "aurora")])
    big = "x" * 60_000
    for _ in range(150):
        raws = [
            chain.sign("aurora-admin", [TRANSFER], memo=None, expires=chain.ledger.head_time + 400),
            chain.sign("aurora-admin", [("no.such", {"text": big})], expires=chain.ledger.head_time + 400),
        ]
        chain.commit(raws)
    chain.commit(time=chain.ledger.head_time + 60_000)
    chain.close()  # what LevelDB still holds in memory goes to its tables at the next start
    chain = LocalChain(tmp_path / "data", [program_op("miles", "aurora")])
    before = used(tmp_path)
    pruner = pruner_of(chain, retain=10)
    for _ in range(141):
        assert await pruner.prune_one()
    assert not await pruner.prune_one()
    await asyncio.wait_for(pruner.compact(), 60)
    after = used(tmp_path)
    assert before > 8_000_000
    assert after < before // 3
    assert chain.store.block_bytes(142) is not None
    chain.close()


def used(folder: Path) -> int:
    """What the folder's files take on the disk."""
    return sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())


async def test_a_till_that_repeats_what_is_pruned_is_not_told_that_it_came_too_late(chain: LocalChain) -> None:
    executed = transfer(chain)
    never = chain.sign("aurora-admin", [TRANSFER], expires=chain.ledger.head_time + 300)
    chain.commit(time=chain.ledger.head_time + 60_000)
    young = chain.sign("aurora-admin", [TRANSFER], expires=chain.ledger.head_time + Params().max_tx_ttl_ms)
    queue = AdmissionQueue(chain.ledger, Mempool(NodeConfig()), ManualClock(START_MS))
    task = asyncio.create_task(queue.run())

    async def reasons() -> list[str]:
        outcomes = await queue.submit([executed, never, young])
        return [outcome.reason if isinstance(outcome, TransactionRefused) else "committed" for outcome in outcomes]

    # Everything is kept: what is not found was never executed.
    chain.commit(time=parse_transaction(young).body.expires + 1)
    assert await reasons() == ["committed", "EXPIRED", "EXPIRED"]
    pruner = pruner_of(chain, retain=2)
    while await pruner.prune_one():
        pass
    assert chain.store.oldest_block == 3
    # The pruned blocks may hold the first two; the third expires too late after the newest of them.
    assert await reasons() == ["BLOCK_PRUNED", "BLOCK_PRUNED", "EXPIRED"]
    task.cancel()
    queue.close()


async def test_the_gateway_says_from_where_on_blocks_are_kept(chain: LocalChain) -> None:
    raw = transfer(chain)
    chain.commit(time=chain.ledger.head_time + 60_000)
    while await pruner_of(chain, retain=1).prune_one():
        pass
    node = LocalNode(chain)
    node.clock.now = chain.ledger.head_time
    methods = TransactionMethods(node)
    with pytest.raises(RpcFault) as simulated:
        methods.simulate(parse_transaction(raw).body_bytes)
    refused = methods._submitted(TransactionRefused("BLOCK_PRUNED", MAY_BE_PRUNED))
    for fault in (simulated.value, refused):
        assert (fault.code, fault.data) == (NOT_FOUND, {"reason": "BLOCK_PRUNED", "oldest": 3, "head": 3})
    assert methods._submitted(TransactionRefused("EXPIRED", "late")).code == REFUSED


def test_what_may_have_been_executed_is_told_to_the_millisecond(chain: LocalChain) -> None:
    transfer(chain)
    pruned_at = chain.ledger.head_time
    chain.commit(time=pruned_at + 60_000)
    chain.commit()
    prune_all(pruner_of(chain, retain=2))
    ttl = Params().max_tx_ttl_ms
    assert chain.store.oldest_block == 3
    assert chain.ledger.queries.may_be_pruned(pruned_at + ttl), "it was valid in the block, for the last time"
    assert not chain.ledger.queries.may_be_pruned(pruned_at + ttl + 1)


class BegunWithSnapshot:
    """A store whose blocks begin behind a snapshot, of which nothing is known but that there were blocks."""

    oldest_block = 21

    def __init__(self, chain: LocalChain, block: bytes | None) -> None:
        self.reader = chain.store.reader
        self._block = block

    def pruned_header(self, height: int) -> None:
        return None

    def block_bytes(self, height: int) -> bytes | None:
        return self._block


def test_a_node_that_began_with_a_snapshot_denies_nothing_that_it_cannot_know(chain: LocalChain) -> None:
    ttl = Params().max_tx_ttl_ms
    expires = chain.ledger.head_time + ttl
    nothing = ChainQueries(chain.genesis, cast(Store, BegunWithSnapshot(chain, None)))
    assert nothing.may_be_pruned(expires)
    begun = ChainQueries(chain.genesis, cast(Store, BegunWithSnapshot(chain, chain.store.block_bytes(1))))
    assert begun.may_be_pruned(expires)
    assert not begun.may_be_pruned(expires + 1), "it was not valid yet in the first block here"


def test_a_blocks_index_goes_whole(chain: LocalChain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "SLICE", 1)
    accounts = ("aurora-admin", "basil-admin")
    chain.commit([chain.sign(name, [TRANSFER], expires=chain.ledger.head_time + 400) for name in accounts])
    chain.commit(time=chain.ledger.head_time + 60_000)
    prune_all(pruner_of(chain, retain=1))
    for name in accounts:
        assert chain.store.transactions_of("account", address_of(name)).items == []


async def test_the_store_is_not_closed_under_a_compaction(
    chain: LocalChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    compacted = threading.Event()
    pruner = pruner_of(chain, retain=1)
    await pruner.finished()  # where there is none it waits for nothing
    monkeypatch.setattr(chain.store, "compact_pruned", compacted.wait)
    compacting = asyncio.create_task(pruner.compact())
    finishing = asyncio.create_task(pruner.finished())
    for _ in range(20):
        await asyncio.sleep(0)
    compacting.cancel()  # as the node does when it stops; the thread goes on
    for _ in range(20):
        await asyncio.sleep(0)
    early = finishing.done()
    compacted.set()
    await finishing
    assert not early
