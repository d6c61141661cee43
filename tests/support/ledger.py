"""A whole chain in one process without consensus: real genesis, contracts, store and certificates, no network.

`LocalChain` builds a genesis with the brands aurora, basil, comet and dune, each with a validator and an admin
account that holds all its roles, opens a real store, and commits blocks whose certificates all validators seal.
`LocalNode` is a `node.gateway.backend.Backend` on top of it, for tests of the gateway and the client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from consensus.messages import seal_payload
from consensus.types import Candidate as BlockCandidate
from consensus.types import Certificate, Header, Roots, Seal, certificate_hash, header_digest
from genesis.document import Genesis, GenesisDocument, GenesisValidator
from genesis.protocol import build_runtime
from node.chain.ledger import Ledger
from node.pool.admission import Admission
from node.pool.mempool import Mempool, check_admissible
from node.runtime.config import NodeConfig
from node.runtime.errors import NotReady, TransactionRefused
from node.store import Store, StoreOptions
from vm.genesis_state import GenesisState
from vm.params import Params
from vm.primitives import merkle
from vm.primitives.address import address_of_key
from vm.primitives.hashing import sha256
from vm.primitives.keys import Domain, SigningKey
from vm.receipt import Receipt
from vm.runtime import Runtime
from vm.transaction import (
    Transaction,
    TransactionError,
    encode_body,
    parse_transaction,
    sign_body,
    signatures_valid,
)

BRANDS = ("aurora", "basil", "comet", "dune")
ROLES = ("issuer", "cashier", "marketer", "compliance", "oracle", "treasurer")
START_MS = 1_767_225_600_000
"""1 January 2026, 00:00 UTC: genesis time."""

Op = tuple[str, Mapping[str, Any]]


@lru_cache(maxsize=16_384)
def key_of(label: str) -> SigningKey:
    """Return the key that a label stands for; the same in every test."""
    return SigningKey(sha256(b"entente tests\0" + label.encode()))


@lru_cache(maxsize=16_384)
def address_of(label: str) -> str:
    """Return the address of `key_of(label)`."""
    return address_of_key(key_of(label).public_key)


def program_op(program: str, brand: str, **changes: Any) -> Op:
    """Return the operation that creates a freely transferable program without expiry."""
    args: dict[str, Any] = {
        "program": program,
        "brand": brand,
        "name": program.capitalize(),
        "symbol": "PTS",
        "decimals": 0,
        "transfer": "free",
        "expiry": {"kind": "none"},
        "transfer_burn_bps": 0,
        "notice_ms": 0,
        "price": {"currency": "EUR", "num": 1, "den": 1},
    }
    return "token.create_program", {**args, **changes}


def local_genesis(ops: Sequence[Op] = (), params: Params | None = None, **document: Any) -> Genesis:
    """Return a genesis with the four brands, their admins with all roles, further operations and fields."""
    setup: list[Op] = []
    for brand in BRANDS:
        admin = address_of(f"{brand}-admin")
        setup.append(("identity.register_brand", {"brand": brand, "name": brand.capitalize(), "admins": [admin]}))
        setup += [("identity.grant_role", {"brand": brand, "role": role, "account": admin}) for role in ROLES]
    validators = [GenesisValidator(key_of(f"{brand}-validator").public_key.hex(), brand) for brand in BRANDS]
    return Genesis(
        GenesisDocument(
            name="local",
            time=START_MS,
            validators=validators,
            ops=[(call, dict(args)) for call, args in [*setup, *ops]],
            params=params or Params(),
            **document,
        )
    )


class LocalChain:
    """A chain in a folder, driven block by block."""

    def __init__(
        self,
        path: Path,
        ops: Sequence[Op] = (),
        params: Params | None = None,
        options: StoreOptions | None = None,
        runtime: Runtime | None = None,
        **document: Any,
    ) -> None:
        self.genesis = local_genesis(ops, params, **document)
        self.runtime = runtime or build_runtime()
        self.store = Store.open(path, options)
        if not self.store.is_initialised:
            state = self.genesis_state()
            self.store.initialise(
                self.genesis.canonical, state.values, 16**self.genesis.document.state_depth, state.once
            )
        self.ledger = Ledger(self.genesis, self.runtime, self.store, None)
        keys = [key_of(f"{brand}-validator") for brand in BRANDS]
        self.validator_keys = sorted(keys, key=lambda key: key.public_key)
        self.signing_keys = {key.public_key: key for key in keys}
        """Who seals; a test that changes the set adds the newcomers' keys."""

        self.state_followers: list[Callable[[Mapping[str, bytes | None]], None]] = []
        """Told the state values that each block changes, as `Node.on_state` does."""

        self._nonce = 0

    def genesis_state(self) -> GenesisState:
        """Return the state at height 0; a bench that needs a large one adds to it."""
        return self.genesis.genesis_state(self.runtime)

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    @property
    def height(self) -> int:
        """Height of the head."""
        return self.ledger.height

    def sign(
        self,
        signer: SigningKey | str,
        ops: Sequence[Op],
        *,
        sender: str | None = None,
        nonce: int | None = None,
        expires: int | None = None,
        memo: str | None = None,
        cosigners: Sequence[SigningKey] = (),
    ) -> bytes:
        """Return a signed transaction's bytes; `signer` is a key or a label, nonces count up."""
        key = key_of(signer) if isinstance(signer, str) else signer
        self._nonce += 1
        body = encode_body(
            self.genesis.chain,
            sender or address_of_key(key.public_key),
            self._nonce if nonce is None else nonce,
            self.ledger.head_time + 60_000 if expires is None else expires,
            ops,
            [key.public_key, *(other.public_key for other in cosigners)] if cosigners else (),
            memo=memo,
        )
        return sign_body(body, [key, *cosigners])

    def commit(self, raws: Sequence[bytes] = (), time: int | None = None) -> list[Receipt]:
        """Put transactions into the next block, final at once; return their receipts and the system receipt."""
        return self.commit_parsed([parse_transaction(raw) for raw in raws], time)

    def commit_parsed(self, transactions: Sequence[Transaction], time: int | None = None) -> list[Receipt]:
        """As `commit`, for transactions that are parsed already.

        Raises:
            ValueError: they make the block invalid; the message says why.
        """
        candidate = self._candidate(transactions, self.ledger.head_time + 200 if time is None else time)
        fault = self.ledger.fault_in(candidate.header, transactions)
        if fault is not None:
            raise ValueError(fault)
        execution = self.ledger.execute(candidate, transactions)
        execution.run(len(transactions))
        executed = execution.finish()
        self.ledger.commit(executed, self._certificate(candidate.header, executed.roots))
        for follower in self.state_followers:
            follower(executed.result.changes)
        return executed.result.receipts

    def decide(self, *actions: Mapping[str, Any]) -> None:
        """Let the alliance pass a proposal: one block proposes, the next holds the four brands' votes.

        The last vote finds the proposal closed, and its receipt says so.
        """
        proposal = f"proposal-{self.height}"
        propose = {"proposal": proposal, "title": "A change", "actions": list(actions)}
        self.commit([self.sign("aurora-admin", [("gov.propose", propose)])])
        vote = ("gov.vote", {"proposal": proposal, "choice": "yes"})
        self.commit([self.sign(f"{brand}-admin", [vote]) for brand in BRANDS])

    def _candidate(self, transactions: Sequence[Transaction], time: int) -> BlockCandidate:
        context = self.ledger.height_context()
        hashes = tuple(tx.hash for tx in transactions)
        proposer = context.validators.validators[context.proposer(0)]
        header = Header(
            chain=context.chain,
            version=context.version,
            height=context.height,
            time=time,
            parent=context.parent_digest,
            parent_state_root=context.parent_roots.state_root,
            parent_commit=certificate_hash(context.parent_certificate),
            proposer=proposer.public_key,
            tx_root=merkle.root(hashes),
            tx_count=len(hashes),
            validators_hash=context.validators.hash,
            next_validators_hash=context.next_validators.hash,
        )
        return BlockCandidate(header, context.parent_certificate, hashes)

    def _certificate(self, header: Header, roots: Roots) -> Certificate:
        digest = header_digest(header)
        payload = seal_payload(self.genesis.chain, header.height, 0, digest, roots)
        deciders = self.ledger.validators_at(header.height).validators
        seals = tuple(
            Seal(index, self.signing_keys[validator.public_key].sign(Domain.COMMIT, payload))
            for index, validator in enumerate(deciders)
            if validator.public_key in self.signing_keys
        )
        return Certificate(header.height, 0, digest, roots.state_root, roots.receipts_root, seals)


class ManualClock:
    """A block clock that tests move."""

    def __init__(self, now: int, rate: int = 1) -> None:
        self.now = now
        self.rate = rate

    def now_ms(self) -> int:
        """Return the time that the test has set."""
        return self.now


class LocalNode:
    """A node without consensus, for the gateway: what is admitted is committed in the event loop's next turn.

    Attributes:
        automatic: False keeps transactions pending until `commit_pending`.
        ready: False makes `submit` raise NotReady, and /ready say so.
        submissions, clients: how many transactions each call of `submit` got, and for whom.
        waited_for: set once somebody waits for a transaction.
    """

    def __init__(self, chain: LocalChain, *, automatic: bool = True) -> None:
        self.chain = chain
        self.genesis = chain.genesis
        self.store = chain.store
        self.queries = chain.ledger.queries
        self.runtime = chain.runtime
        self.clock = ManualClock(START_MS)
        self.automatic = automatic
        self.ready = True
        self.submissions: list[int] = []
        self.clients: list[str] = []
        self.mempool = Mempool(NodeConfig())
        self.waited_for = asyncio.Event()
        self._waiters: dict[bytes, list[asyncio.Future[None]]] = {}

    async def submit(self, raws: Sequence[bytes], client: str = "") -> list[Admission | TransactionRefused]:
        """Admit transactions as a node does."""
        if not self.ready:
            raise NotReady("the node is syncing")
        self.submissions.append(len(raws))
        self.clients.append(client)
        outcomes = [self._admit(raw) for raw in raws]
        if self.automatic and len(self.mempool):
            asyncio.get_running_loop().call_soon(self.commit_pending)
        return outcomes

    def _admit(self, raw: bytes) -> Admission | TransactionRefused:
        try:
            tx = parse_transaction(raw)
            if self.store.contains_transaction(tx.id):
                return Admission(tx.id, committed=True)
            check_admissible(tx, self.chain.ledger, max(self.chain.ledger.head_time, self.clock.now_ms()))
            if not signatures_valid(tx):
                return TransactionRefused("BAD_SIGNATURE", "a signature is not valid")
        except TransactionError as error:
            return TransactionRefused(error.reason, str(error))
        except TransactionRefused as refusal:
            return refusal
        self.mempool.add(tx)
        return Admission(tx.id, committed=False)

    def commit_pending(self) -> None:
        """Commit what is pending in one block, and answer those who wait."""
        transactions = list(self.mempool.in_order())
        if not transactions:
            return
        self.chain.commit_parsed(transactions)
        self.mempool.remove_committed([tx.id for tx in transactions])
        for tx in transactions:
            for waiter in self._waiters.pop(tx.id, []):
                if not waiter.done():
                    waiter.set_result(None)

    async def wait_committed(self, tx_ids: Sequence[bytes], timeout_ms: int) -> list[bool]:
        """Wait for all, or the timeout."""
        waiting = []
        for tx_id in tx_ids:
            if not self.store.contains_transaction(tx_id):
                future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._waiters.setdefault(tx_id, []).append(future)
                waiting.append(future)
        if waiting:
            self.waited_for.set()
            await asyncio.wait(waiting, timeout=timeout_ms / 1_000)
        return [self.store.contains_transaction(tx_id) for tx_id in tx_ids]

    def is_pending(self, tx_id: bytes) -> bool:
        """Tell whether the transaction is pending."""
        return self.mempool.by_id(tx_id) is not None

    def pending_transaction(self, tx_id: bytes) -> bytes | None:
        """Return a pending transaction."""
        tx = self.mempool.by_id(tx_id)
        return None if tx is None else tx.raw

    def node_info(self) -> dict[str, Any]:
        """Return what a node tells of itself."""
        return {
            "chain": self.genesis.chain,
            "version": self.genesis.document.version,
            "address": address_of("aurora-validator"),
            "public_key": key_of("aurora-validator").public_key,
            "role": "validator",
            "height": self.chain.height,
            "oldest_block": self.store.oldest_block,
            "time": 0,
            "clock": 0,
            "syncing": False,
            "uptime_ms": 1,
            "p2p_port": 1,
        }

    def node_health(self) -> dict[str, Any]:
        """Return {live, ready, reasons}."""
        return {"live": True, "ready": self.ready, "reasons": [] if self.ready else ["SYNCING"]}

    def node_peers(self) -> list[dict[str, Any]]:
        """Return no peers."""
        return []

    def node_consensus(self) -> dict[str, Any]:
        """Return where consensus would stand."""
        return {"height": self.chain.height + 1, "round": 0, "step": "new", "validators": [], "evidence": []}

    def metrics(self) -> bytes:
        """Return one metric."""
        return b"entente_height %d\n" % self.chain.height
