"""What the node's own methods answer, as types: `rpc.discover` and docs/rpc.md take their schemas from here.

A method's return annotation is its result type (`node.gateway.method_table`). Fields stand in the order in which
they are written, bytes are written as hex (`node.gateway.presentation.dumps`). Where consensus has a type
already, it is answered as it is: a header, a certificate. A field may be added, none may go or change its meaning.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from consensus.types import Certificate, Header
from vm.receipt import Receipt
from vm.transaction import Body, Transaction

Hex = Annotated[str, Meta(pattern="^([0-9a-f]{2})*$")]
Listed = list[tuple[Hex, str]]
"""A validator set as the genesis document lists it: public key and brand, sorted by key."""


class NodeInfo(Struct, frozen=True, forbid_unknown_fields=True):
    """What a node is, and what a client needs to build a transaction."""

    chain: str
    version: int
    address: str
    public_key: bytes
    role: Literal["validator", "full"]
    height: int
    oldest_block: int
    time: int
    clock: int
    syncing: bool
    uptime_ms: int
    p2p_port: int
    clock_rate: int
    max_tx_ttl_ms: int


class NodeHealth(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a node runs, whether clients should use it, and why not."""

    live: bool
    ready: bool
    reasons: list[str]


class NodePeer(Struct, frozen=True, forbid_unknown_fields=True):
    """A connected peer; its round-trip time is null until it has been measured."""

    address: str
    key: bytes
    direction: str
    height: int
    round: int
    rtt_ms: int | None
    score: int


class ValidatorSeen(Struct, frozen=True, forbid_unknown_fields=True):
    """A validator's last seen height and round, 0 for never, and its faults by kind."""

    public_key: bytes
    brand: str
    height: int
    round: int
    faults: dict[str, int]


class EvidenceSeen(Struct, frozen=True, forbid_unknown_fields=True):
    """Two statements of one validator of which an honest one makes only one."""

    validator: int
    public_key: bytes
    height: int
    round: int
    step: str


class NodeConsensus(Struct, frozen=True, forbid_unknown_fields=True):
    """Where consensus stands at this node."""

    height: int
    round: int
    step: str
    validators: list[ValidatorSeen]
    evidence: list[EvidenceSeen]


class ChainHead(Struct, frozen=True):
    """The last final block; before the first one the digest is that of the genesis document."""

    header: Header | None
    digest: bytes
    certificate: Certificate | None


class TransactionBody(Struct, frozen=True):
    """What a transaction's signatures cover; `ops` are pairs of a call and its arguments."""

    chain: str
    sender: str
    nonce: int
    expires: int
    ops: list[tuple[str, dict[str, Any]]]
    signers: list[bytes] | UnsetType = UNSET
    memo: str | UnsetType = UNSET


class ShownTransaction(Struct, frozen=True):
    """A transaction, decoded and as the bytes that were signed and sent; `sigs` are pairs of key and signature."""

    id: bytes
    hash: bytes
    body: TransactionBody
    sigs: list[tuple[bytes, bytes]]
    raw: bytes


class ShownBlock(Struct, frozen=True):
    """A block with its transactions, or with their ids."""

    header: Header
    digest: bytes
    parent_certificate: Certificate | None
    transactions: list[Hex | ShownTransaction]


class DecidingValidator(Struct, frozen=True):
    """A member of a validator set; `last_seal` and `last_skip` are heights as of the head, 0 for never."""

    index: int
    public_key: bytes
    brand: str
    address: str
    last_seal: int
    last_skip: int


class DecidingSet(Struct, frozen=True):
    """The validator set that decides a height."""

    height: int
    hash: bytes
    quorum: int
    validators: list[DecidingValidator]


class MembershipStep(Struct, frozen=True):
    """A certified header that announces another validator set, and that set."""

    header: Header
    certificate: Certificate
    validators: Listed


class ReceiptProof(Struct, frozen=True):
    """A receipt's path to a certified root, and what leads from the genesis document to that."""

    leaf: bytes
    index: int
    count: int
    path: list[bytes]
    header: Header
    certificate: Certificate
    validators: Listed
    headers: list[MembershipStep]


class TransactionReceipt(Receipt, frozen=True):
    """The outcome of one transaction, with its proof where that was asked for."""

    proof: ReceiptProof | UnsetType = UNSET


class FoundTransaction(Struct, frozen=True):
    """A transaction and what became of it; height, index and receipt are null while it is pending."""

    transaction: ShownTransaction
    status: Literal["pending", "committed"]
    height: int | None
    index: int | None
    receipt: TransactionReceipt | None


class TransactionLine(Struct, frozen=True):
    """A committed transaction in a list; `error` is the code of a failed one."""

    id: Hex
    hash: Hex
    height: int
    index: int
    time: int
    sender: str
    calls: list[str]
    status: str
    error: str | None


class TransactionPage(Struct, frozen=True):
    """A page of committed transactions, which says up to which height it is complete and how to go on."""

    items: list[TransactionLine]
    next: str | None
    complete_to: int
    oldest: int
    resume: str


class SubmittedTransaction(Struct, frozen=True):
    """A transaction that the node has taken, or that is in the chain already."""

    id: bytes
    status: Literal["pending", "committed"]


class TreeNode(Struct, frozen=True):
    """One node of a path through the state tree: which children it has, and their hashes but for the path's."""

    bitmap: int
    siblings: list[Hex]


class OtherLeaf(Struct, frozen=True):
    """The leaf that stands where a key would, which is absent."""

    key: str
    value_hash: Hex


class TreePath(Struct, frozen=True):
    """A path through the state tree, to a value or to where it would be."""

    path: list[TreeNode]
    other: OtherLeaf | None


class OncePath(Struct, frozen=True):
    """A once-record's path to the root of its log of `size` records; `log` is the log's state value."""

    family: str
    index: int
    size: int
    path: list[Hex]
    log: Hex


class ProvedState(Struct, frozen=True, kw_only=True):
    """A state value or its absence, its path to a certified root, and what leads from genesis to that."""

    key: str
    height: int
    value: Any
    value_bytes: bytes | None
    once: OncePath | UnsetType = UNSET
    proof: TreePath
    header: Header
    certificate: Certificate
    validators: Listed
    headers: list[MembershipStep]


class ViewedState(Struct, frozen=True):
    """What a view answers, and on the state after which height, with that height's block time."""

    height: int
    time: int
    result: Any


def transaction_receipt(receipt: Receipt, proof: ReceiptProof | UnsetType = UNSET) -> TransactionReceipt:
    """Return a receipt as it is answered."""
    return TransactionReceipt(**structs.asdict(receipt), proof=proof)


def shown_transaction(tx: Transaction) -> ShownTransaction:
    """Return a transaction as it is answered."""
    return ShownTransaction(tx.id, tx.hash, _shown_body(tx.body), tx.sigs, tx.raw)


def _shown_body(body: Body) -> TransactionBody:
    return TransactionBody(body.chain, body.sender, body.nonce, body.expires, body.ops, body.signers, body.memo)
