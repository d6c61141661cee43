"""Each kind of read that may take long pauses often, and answers the same as without a pause.

The clock of these tests moves on with each look at it, so that each pause point ends a slice: slices are counted,
not time. What is no read of the gateway, a snapshot's chunk, is held to the same.
"""

from __future__ import annotations

import ast
import asyncio
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

import node
from network.messages import MAX_CHUNK_NODES, GetSetChanges, GetStateChunk, StateChunk
from node.gateway.desk import NodeDesk
from node.gateway.dispatch import Caller
from node.runtime import pauses
from node.runtime.config import NodeConfig
from node.store import StatePruned, StoreOptions
from node.sync.snapshot_server import SnapshotServer
from tests.support.ledger import LocalChain, LocalNode, address_of, key_of, program_op
from vm.primitives.hashing import sha256
from vm.transaction import parse_transaction

pytestmark = pytest.mark.integration

MEMBERS, BLOCKS, LOTS = 80, 12, 60
FULL = 2
SOURCES = Path(node.__path__[0])
DAY_MS = 86_400_000
NEWCOMER = key_of("newcomer-validator")
RICH = address_of("rich")
IDLE = [address_of(f"idle-{n}") for n in range(40)]
"""Accounts that later blocks do not change."""


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory):
    """A chain with a full block, and later ones that change what it changed."""
    expiring = program_op("sun", "aurora", expiry={"kind": "days", "days": 400})
    options = StoreOptions(state_history_blocks=100, snapshot_interval=FULL)
    chain = LocalChain(tmp_path_factory.mktemp("long") / "data", [expiring], options=options)
    dates = [chain.ledger.head_time + (2 + lot) * DAY_MS for lot in range(LOTS)]
    lots = [
        (
            "token.issue",
            {"program": "sun", "to": RICH, "amount": 10_000, "expires": expires, "ref": f"lot-{expires}"},
        )
        for expires in dates
    ]
    members = [
        ("token.issue", {"program": "sun", "to": address_of(f"m{n}"), "amount": 10**6}) for n in range(MEMBERS)
    ]
    idle = [("token.issue", {"program": "sun", "to": address, "amount": 1}) for address in IDLE]
    chain.commit([chain.sign("aurora-admin", ops) for ops in (lots, members, idle)])
    for block in range(BLOCKS):
        joins = [("token.issue", {"program": "sun", "to": fresh, "amount": 1}) for fresh in newcomers(block)]
        transfers = [_transfer(chain, n, block) for n in range(MEMBERS)]
        chain.commit([*transfers, chain.sign("aurora-admin", joins)])
    chain.signing_keys[NEWCOMER.public_key] = NEWCOMER
    chain.decide(
        {"action": "register_brand", "brand": "echo", "name": "Echo", "admins": [address_of("echo-admin")]},
        {"action": "add_validator", "brand": "echo", "key": NEWCOMER.public_key.hex()},
    )
    chain.commit()
    chain.commit()
    yield chain
    chain.close()


def _transfer(chain: LocalChain, member: int, block: int) -> bytes:
    to = address_of(f"m{(member + 1 + block) % MEMBERS}")
    return chain.sign(f"m{member}", [("token.transfer", {"program": "sun", "to": to, "amount": 1})])


@pytest.fixture
def slices(monkeypatch: pytest.MonkeyPatch):
    """Count slices, and let nothing rest for real time."""
    counted: list[int] = []
    go_on = pauses.LongRead.go_on

    def counting(self):
        counted.append(1)
        return go_on(self)

    monkeypatch.setattr(pauses.LongRead, "go_on", counting)
    monkeypatch.setattr("node.gateway.read_turns.LONGEST_REST_SECONDS", 0.0)
    return counted


def dispatcher_of(chain: LocalChain, step_s: float):
    """Return a gateway's dispatcher, whose clock goes on by a step with each look."""
    looks = itertools.count()
    return NodeDesk(LocalNode(chain), NodeConfig().rpc, lambda: next(looks) * step_s).dispatcher


def untouched_key() -> str:
    """Return a key that no later block has changed, in a shard of the history where most of them have."""
    shards = [_shard(_account(fresh)) for block in range(BLOCKS) for fresh in newcomers(block)]
    return max(map(_account, IDLE), key=lambda key: shards.count(_shard(key)))


def newcomers(block: int) -> list[str]:
    """Return accounts that a block makes."""
    return [address_of(f"newcomer-{block}-{n}") for n in range(40)]


def _shard(key: str) -> int:
    return sha256(key.encode())[0]


def _account(address: str) -> str:
    return f"token/account/sun/{address}"


def requests(chain: LocalChain):
    holders = {"program": "sun", "limit": 1_000}
    issues = [("token.issue", {"program": "sun", "to": address_of(f"m{n}"), "amount": 1}) for n in range(MEMBERS)]
    simulated = parse_transaction(chain.sign("aurora-admin", issues, nonce=1)).body_bytes.hex()
    lookback = {"program": "sun", "account": address_of("m1")}
    ref = {"program": "sun", "ref": f"lot-{chain.genesis.document.time + 2 * DAY_MS}"}
    filters = {"brand": "aurora", "call": "token.transfer", "account": address_of("m3")}
    expiring = {"program": "sun", "from": 0, "to": 2**52, "limit": 1_000}
    key = _account(address_of("m1"))
    return {
        "chain_block": ("chain_block", {"height": FULL}, 5),
        "chain_block, full": ("chain_block", {"height": FULL, "full": True}, 5),
        "chain_transactions": ("chain_transactions", {"limit": 1_000}, MEMBERS * BLOCKS),
        "chain_transactions, filters": ("chain_transactions", filters, BLOCKS),
        "state_get, past": ("state_get", {"key": untouched_key(), "height": FULL}, 2),
        "state_proof, past": ("state_proof", {"key": key, "height": FULL}, BLOCKS // 2),
        "state_proof": ("state_proof", {"key": key}, 1),
        "token_holders": ("token_holders", holders, MEMBERS // 2),
        "a view of the past": ("state_view", {"view": "token_holders", "args": holders, "height": FULL}, MEMBERS),
        "a balance of the past": ("state_view", {"view": "token_balance", "args": lookback, "height": FULL}, 2),
        "a reference of the past": ("state_view", {"view": "token_ref", "args": ref, "height": FULL}, 1),
        "a reference": ("token_ref", ref, 1),
        "token_expiring": ("token_expiring", expiring, 2),
        "tx_simulate": ("tx_simulate", {"body": simulated}, MEMBERS // 2),
        "tx_simulate, past": ("tx_simulate", {"body": simulated, "height": FULL}, MEMBERS // 2),
    }


PAUSING = (
    "node/chain/queries.py ChainQueries.membership_changes",
    "node/chain/states.py _Head.cell",
    "node/chain/states.py _Head.once",
    "node/chain/states.py _StateAt.cell",
    "node/chain/states.py _StateAt.once",
    "node/chain/transaction_pages.py TransactionPages._every",
    "node/chain/transaction_pages.py TransactionPages._final",
    "node/chain/transaction_pages.py TransactionPages._indexed",
    "node/gateway/chain_methods.py ChainMethods._transactions",
    "node/gateway/presentation.py _pieces",
    "node/gateway/transaction_methods.py _in_slices",
    "node/store/blocks.py BlockRecords.positions",
    "node/store/history.py PastValues._each_above",
    "node/store/snapshot_records.py SnapshotRecords.state_slice",
    "node/sync/snapshot_server.py SnapshotServer._set_changes",
)
"""Where reads pause, so that none is lost unseen: each of these loops may be long on some chain."""

KINDS = (
    *("chain_block", "chain_block, full", "chain_transactions", "chain_transactions, filters", "state_get, past"),
    *("state_proof, past", "state_proof", "token_holders", "a view of the past", "a balance of the past"),
    *("a reference of the past", "a reference", "token_expiring"),
    *("tx_simulate", "tx_simulate, past"),
)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_read_pauses_often_and_answers_the_same(chain: LocalChain, slices: list[int], kind: str):
    method, params, least = requests(chain)[kind]
    body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    at_once = await dispatcher_of(chain, 0.0).handle(body, Caller())
    assert not slices
    assert b'"result":' in at_once.body, at_once.body
    in_slices = await dispatcher_of(chain, 0.004).handle(body, Caller())
    assert in_slices.body == at_once.body
    assert len(slices) >= least


async def test_each_pause_point_is_passed_by_a_kind_of_read(chain: LocalChain, monkeypatch):
    """So none is left behind where nothing reads any more, and none of a kind that is not looked at here."""
    passed = set()

    def noting(read, is_over):
        def look():
            code = sys._getframe(2).f_code  # above it the pause point, and who has that
            passed.add(f"{Path(code.co_filename).relative_to(SOURCES.parent)} {code.co_qualname}")
            return False

        return pauses.at_once(read, look)

    monkeypatch.setattr("node.gateway.reading.at_once", noting)
    for method, params, _ in requests(chain).values():
        body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        await dispatcher_of(chain, 0.0).handle(body, Caller())
    server = SnapshotServer(chain.ledger)
    for request in (_chunk_request(chain), GetSetChanges(id=1, above=0)):
        noting(lambda request=request: server.answer(request), None)
    assert passed == pause_points() == set(PAUSING)


def pause_points() -> set[str]:
    """Return the file and the function of each pause point in the sources."""
    found = set()
    for path in SOURCES.rglob("*.py"):
        if path.name != "pauses.py":
            found |= {f"{path.relative_to(SOURCES.parent)} {name}" for name in _functions_that_pause(path)}
    return found


def _functions_that_pause(path: Path) -> Iterator[str]:
    waiting = [("", node) for node in ast.parse(path.read_text(encoding="utf-8")).body]
    while waiting:
        around, node = waiting.pop()
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            around = f"{around}.{node.name}".removeprefix(".")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "pause_point":
            yield around
        waiting += [(around, child) for child in ast.iter_child_nodes(node)]


def _chunk_request(chain: LocalChain) -> GetStateChunk:
    depth = len(f"{chain.store.bucket_count - 1:x}")
    return GetStateChunk(id=1, height=chain.store.snapshots.heights()[0], prefix="0" * depth, count=MAX_CHUNK_NODES)


async def test_a_view_of_the_head_is_of_one_height_although_the_head_moves(tmp_path: Path, slices: list[int]):
    chain = LocalChain(tmp_path / "data", [program_op("sun", "aurora")])
    issues = [("token.issue", {"program": "sun", "to": address_of(f"m{n}"), "amount": 100}) for n in range(20)]
    chain.commit([chain.sign("aurora-admin", issues)])
    body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "token_holders", "params": ["sun"]})
    before = await dispatcher_of(chain, 0.0).handle(body, Caller())
    reading = asyncio.create_task(dispatcher_of(chain, 0.004).handle(body, Caller()))
    await _some_slices(slices)
    chain.commit([chain.sign(f"m{n}", [("token.transfer", _all_to_next(n))]) for n in range(0, 20, 2)])
    after = await reading
    assert after.body == before.body
    assert (await dispatcher_of(chain, 0.0).handle(body, Caller())).body != before.body
    chain.close()


async def _some_slices(slices: list[int]) -> None:
    for _ in range(1_000):
        if len(slices) >= 5:
            return
        await asyncio.sleep(0)
    raise AssertionError("it has not come to its fifth slice")


def _all_to_next(member: int) -> dict[str, object]:
    return {"program": "sun", "to": address_of(f"m{member + 1}"), "amount": 100}


async def test_a_client_that_goes_away_ends_its_long_read(chain: LocalChain, slices: list[int]):
    dispatcher = dispatcher_of(chain, 0.004)
    body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "chain_transactions", "params": {"limit": 1_000}})
    reading = asyncio.create_task(dispatcher.handle(body, Caller()))
    await _some_slices(slices)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert dispatcher._here.long_reads == 0
    assert len(slices) <= 8


async def test_a_body_of_too_many_values_is_refused_before_it_is_parsed(chain: LocalChain):
    dispatcher = dispatcher_of(chain, 0.0)
    for body in (b"[" + b"{}," * 60_000 + b"{}]", b"[" + b"1," * 120_000 + b"1]", b"[" * 120_000):
        answer = orjson.loads((await dispatcher.handle(body, Caller())).body)
        assert answer["error"]["data"] == {"reason": "BATCH_TOO_LONG", "limit": 100_000}
    long = [{"jsonrpc": "2.0", "id": n, "method": "tx_submit", "params": {"tx": "ab" * 300}} for n in range(1_000)]
    answers = orjson.loads((await dispatcher.handle(orjson.dumps(long), Caller())).body)
    assert len(answers) == 1_000


class Asker:
    """A peer that takes what it is sent."""

    key = b"N" * 32
    waiting_reply_bytes = 0

    def __init__(self) -> None:
        self.replies: list[object] = []

    def send_message(self, message: object) -> bool:
        self.replies.append(message)
        return True


async def test_a_chunk_of_a_snapshot_is_read_in_slices(chain: LocalChain, slices: list[int], monkeypatch):
    monkeypatch.setattr("node.sync.snapshot_server.MAX_REST_SECONDS", 0.0)
    monkeypatch.setattr("node.store.snapshot_records.MAX_CHUNK_SECONDS", 1e6)
    request = _chunk_request(chain)
    server, asker = SnapshotServer(chain.ledger), Asker()
    whole = server.answer(request)
    assert isinstance(whole, StateChunk)
    looks = itertools.count()
    await server._answer(asker, request, lambda: next(looks) * 0.006)
    assert asker.replies == [whole]
    assert len(slices) >= 10


async def test_a_chunk_of_a_state_that_is_pruned_while_it_is_read_is_not_offered(chain: LocalChain, monkeypatch):
    def pruned(height, prefix, count, now):
        raise StatePruned(height, "pruned")

    monkeypatch.setattr(chain.store.snapshots, "state_slice", pruned)
    asker = Asker()
    await SnapshotServer(chain.ledger)._answer(asker, _chunk_request(chain), lambda: 0.0)
    assert asker.replies == [StateChunk(id=1, covered=None, records=(), children=())]
