"""A chain in memory, without consensus, that answers the demo's calls at the demo's own clock."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from genesis.protocol import build_runtime
from node.client import ConnectionFailed, RpcError
from node.demo.network import DEMO_PARAMS
from tests.contract_harness import MemoryState, as_read
from vm.block_execution import BlockContext, BlockExecution
from vm.contract_api import Context
from vm.errors import Refused
from vm.genesis_state import genesis_changes
from vm.params import PARAMS
from vm.primitives.address import address_of_key
from vm.primitives.hashing import sha256
from vm.primitives.keys import SigningKey
from vm.state_proof import StateProof, leaf_hash
from vm.state_view import BlockOverlay
from vm.transaction import parse_transaction

T = TypeVar("T")

BRANDS = ("aurora", "basil", "comet", "dune")
CHAIN = "demo-test"
HEARTBEAT_S = 1
ROLES = ("issuer", "cashier", "marketer", "compliance", "oracle", "treasurer")


def key_of(brand: str) -> SigningKey:
    """Return the key of a brand's admin."""
    return SigningKey(sha256(brand.encode()))


class ManualClock:
    """Moves when somebody sleeps."""

    def __init__(self, now: int, rate: int) -> None:
        self.now = now
        self.rate = rate

    def now_ms(self) -> int:
        """Return the time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let so much time pass, and everybody else run."""
        self.now += round(seconds * 1_000 * self.rate)
        for _ in range(3):
            await asyncio.sleep(0)


class MemoryChain:
    """Executes what is sent at once, one block a batch, with the real contracts.

    Attributes:
        lose_answers: so many of the next sendings are executed, but never answered.
        full_blocks: so many of the next sendings find no work units left in their block.
    """

    def __init__(self, clock: ManualClock) -> None:
        ops: list[tuple[str, Mapping[str, Any]]] = []
        for brand in BRANDS:
            admin = address_of_key(key_of(brand).public_key)
            ops.append(("identity.register_brand", {"brand": brand, "name": brand, "admins": [admin]}))
            ops += [("identity.grant_role", {"brand": brand, "role": role, "account": admin}) for role in ROLES]
        self.clock = clock
        self.runtime = build_runtime()
        self.time = clock.now
        self.height = 0
        self.lose_answers = 0
        self.full_blocks = 0
        lifetimes = {"max_tx_ttl_ms": 600_000 * clock.rate, "replay_slot_ms": 60_000 * clock.rate}
        params = replace(DEMO_PARAMS, **lifetimes)
        self.state = MemoryState()
        self.state.write(genesis_changes(self.runtime, CHAIN, self.time, params, [], [], ops).values)
        self.receipts: dict[bytes, dict[str, Any]] = {}

    async def send_many(self, raws: Sequence[bytes], *, timeout_ms: int) -> list[Any]:
        """Execute transactions that are new, as a block at the clock's time."""
        del timeout_ms
        transactions = [parse_transaction(raw) for raw in raws]
        fresh = [tx for tx in transactions if tx.id not in self.receipts]
        time = max(self.clock.now, self.time + 1)
        if any(tx.body.expires <= time for tx in fresh):
            return [RpcError(-32003, "expired", {"reason": "EXPIRED"}) for _ in raws]
        if fresh and self.full_blocks:
            self.full_blocks -= 1
            error = {"code": "OUT_OF_BUDGET", "message": "the block has no work units left", "op": -1}
            self.receipts.update(
                {tx.id: {"status": "failed", "height": self.height, "error": error} for tx in fresh}
            )
        elif fresh:
            self._execute(fresh, time)
        await asyncio.sleep(0)
        if self.lose_answers:
            self.lose_answers -= 1
            raise ConnectionFailed("the connection is gone")
        return [self.receipts[tx.id] for tx in transactions]

    def _execute(self, transactions: list[Any], time: int) -> None:
        context = BlockContext(CHAIN, self.height + 1, time, self.time)
        execution = BlockExecution(self.runtime, self.state, context, transactions)
        execution.run(len(transactions))
        result = execution.result()
        self.height, self.time = self.height + 1, time
        self.state.write(result.changes)
        self.state.append(result.once)
        for tx, receipt in zip(transactions, result.receipts, strict=False):
            self.receipts[tx.id] = msgspec.to_builtins(receipt)

    async def call(self, method: str, **params: Any) -> Any:
        """Answer one call."""
        value = self.state.values[PARAMS.keys.path]
        self._beat()
        if method == "node_info":
            return {"chain": CHAIN, "height": self.height}
        if method == "chain_head":
            return {"header": {"height": self.height, "time": self.time}}
        if method == "chain_certificate":
            return {"state_root": leaf_hash(PARAMS.keys.path.encode(), sha256(value)).hex()}
        if method == "state_proof":
            return {"value_bytes": value.hex(), "proof": StateProof(()).to_json()}
        if method == "state_view":  # Of the head, whichever height is asked for.
            answer = self._view(params["view"], params["args"])
            answer = answer if isinstance(answer, RpcError) else {"height": params["height"], "result": answer}
        else:
            answer = self._view(method, params)
        if isinstance(answer, RpcError):
            raise answer
        return answer

    async def batch(self, calls: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Any]:
        """Answer views."""
        return [self._view(method, params) for method, params in calls]

    def _beat(self) -> None:
        """Make a block without transactions where the last one is older than HEARTBEAT_S."""
        if self.clock.now - self.time > HEARTBEAT_S * 1_000 * self.clock.rate:
            self._execute([], self.clock.now)

    def _view(self, method: str, params: Mapping[str, Any]) -> Any:
        ctx = Context(BlockOverlay(self.state), CHAIN, self.height, self.time, 10**9, read_only=True)
        try:
            return as_read(self.runtime.invoke_view(ctx, method, params))
        except Refused as refusal:
            return RpcError(-32602, refusal.message, {"reason": refusal.code})
