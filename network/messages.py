"""The messages between nodes and their canonical bytes.

Each is a msgspec struct written as an array, decoded strictly: bytes that are not the one encoding
of a message of the frame's kind are the sender's fault. CONSENSUS has no struct: its payload is what
`consensus` gave, opaque here. Requests and their replies carry an id that the asking side chose;
`Peer.request` fills it in.

Invariants:
    1. For any bytes, `decode` returns a message whose encoding they are or raises MalformedFrame.
    2. Every list has a bound, by its own length or by its frame's size.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final

import msgspec

from network.errors import MalformedFrame
from network.kinds import Kind
from vm.primitives.codec import CodecError, TypedDecoder, encode
from vm.primitives.hashing import sha256
from vm.primitives.units import Count

PROTOCOL_VERSION: Final = 1
MAX_LINKS: Final = 1_024
MAX_HASHES_PER_REQUEST: Final = 30_000
"""More than a full block of 4 MiB holds; the GET_TRANSACTIONS frame limit fits them."""
MAX_BLOCKS_PER_REQUEST: Final = 64
MAX_TRANSACTIONS_PER_FRAME: Final = 2_048
MAX_SNAPSHOTS_OFFERED: Final = 8
MAX_SET_CHANGES_PER_REPLY: Final = 64
MAX_VALIDATORS: Final = 1_024
MAX_BUCKET_ROOTS_PER_REQUEST: Final = 32_768
"""1 MiB; 65,536 buckets are two requests."""
MAX_CHUNK_NODES: Final = 4_096
MAX_CHUNK_RECORDS: Final = 65_536
MAX_REPLAY_IDS_PER_REPLY: Final = 32_768
MAX_ONCE_TILES_PER_REPLY: Final = 32_768
MAX_ONCE_LEAVES_PER_REPLY: Final = 256
"""A tile's; fewer where they are long."""
MIN_TRANSACTION_BYTES: Final = 96
"""A key and a signature alone take as much; without it, a frame could hold a million of nothing."""

Bytes32 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
TransactionBytes = Annotated[bytes, msgspec.Meta(min_length=MIN_TRANSACTION_BYTES)]
Prefix = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[0-9a-f]+\Z")]
RootBytes = Annotated[bytes, msgspec.Meta(max_length=32 * MAX_BUCKET_ROOTS_PER_REQUEST)]
TileBytes = Annotated[bytes, msgspec.Meta(max_length=32 * MAX_ONCE_TILES_PER_REPLY)]
Family = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9.-]+\Z")]
IdBytes = Annotated[bytes, msgspec.Meta(max_length=32 * MAX_REPLAY_IDS_PER_REPLY)]
Instance = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
Brand = Annotated[str, msgspec.Meta(max_length=64)]
Host = Annotated[str, msgspec.Meta(max_length=255)]
DialledHost = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Base of all messages."""


class Hello(Message, frozen=True):
    """The first frame of each side.

    Args:
        instance: random for each start of a node; tells a restarted node from a second connection.
        listen: where this node can be dialled; an empty host means the address it is seen under.
    """

    chain: Annotated[str, msgspec.Meta(max_length=128)]
    version: Count
    height: Count
    instance: Instance
    listen: tuple[Host, Port] | None = None


class Ping(Message, frozen=True):
    """Asks for a PONG with the same id."""

    id: Count


class Pong(Message, frozen=True):
    """Answers a PING."""

    id: Count


class Status(Message, frozen=True):
    """Where the sender's chain stands: decided height, current round, digest of the head."""

    height: Count
    round: Count
    digest: Bytes32


COMPACT_PROPOSALS: Final = sha256(b"entente/feature/compact-proposals/1\0")
"""Among the keys of LINKS: the sender reads compact proposals. To a node of before it is the key of a stranger,
which changes nothing, while a longer HELLO or a new kind of frame would be malformed to it."""


class Links(Message, frozen=True):
    """The keys to which the sender is connected; spares them a second copy of its transactions.

    Beside them stand the marks of what the sender understands beyond PROTOCOL_VERSION, as COMPACT_PROPOSALS.
    """

    keys: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=MAX_LINKS)]


class Addresses(Message, frozen=True):
    """Where the sender's peers say that they listen: how those find each other whose keys are new to the other."""

    entries: Annotated[tuple[tuple[Bytes32, DialledHost, Port], ...], msgspec.Meta(max_length=MAX_LINKS)]


class Transactions(Message, frozen=True):
    """New transactions; `origin`: the sender had them from clients and sends them to all its links."""

    origin: bool
    items: Annotated[tuple[TransactionBytes, ...], msgspec.Meta(max_length=MAX_TRANSACTIONS_PER_FRAME)]


class Request(Message, frozen=True):
    """Base of the messages that want a reply."""

    id: Count


class Reply(Message, frozen=True):
    """Base of the messages that answer a request; `id` repeats the request's."""

    id: Count


class GetTransactions(Request, frozen=True):
    """Asks for transactions by hash."""

    hashes: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=MAX_HASHES_PER_REQUEST)]


class TransactionsReply(Reply, frozen=True):
    """Those of the wanted transactions that the sender has, in the order asked for."""

    items: Annotated[tuple[TransactionBytes, ...], msgspec.Meta(max_length=MAX_HASHES_PER_REQUEST)]


class GetCandidate(Request, frozen=True):
    """Asks for the body of a block that is not decided yet."""

    digest: Bytes32


class CandidateReply(Reply, frozen=True):
    """The block's bytes, or None when the sender has not got them."""

    body: bytes | None


class GetBlocks(Request, frozen=True):
    """Asks for decided blocks from height `first` upwards."""

    first: Count
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_BLOCKS_PER_REQUEST)]


class Blocks(Reply, frozen=True):
    """(block bytes, certificate bytes) from the first height asked for, without gaps; may be fewer.

    Args:
        oldest: the lowest height whose block the sender keeps.
    """

    items: Annotated[tuple[tuple[bytes, bytes], ...], msgspec.Meta(max_length=MAX_BLOCKS_PER_REQUEST)]
    oldest: Count = 1


class GetSnapshots(Request, frozen=True):
    """Asks which snapshots of the state the peer offers."""


class Snapshots(Reply, frozen=True):
    """The heights whose state the sender offers, ascending."""

    heights: Annotated[tuple[Count, ...], msgspec.Meta(max_length=MAX_SNAPSHOTS_OFFERED)]


class SetChange(Message, frozen=True):
    """A certified header that announces another validator set than its own, and that set as [key, brand]."""

    header: bytes
    certificate: bytes
    validators: Annotated[tuple[tuple[Bytes32, Brand], ...], msgspec.Meta(max_length=MAX_VALIDATORS)]


class GetSetChanges(Request, frozen=True):
    """Asks for the changes of the validator set whose headers are above a height."""

    above: Count


class SetChanges(Reply, frozen=True):
    """The next changes in order of height; `more` follow the last one."""

    items: Annotated[tuple[SetChange, ...], msgspec.Meta(max_length=MAX_SET_CHANGES_PER_REPLY)]
    more: bool


class GetBucketRoots(Request, frozen=True):
    """Asks for bucket roots of the snapshot of a height."""

    height: Count
    first: Count
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_BUCKET_ROOTS_PER_REQUEST)]


class BucketRoots(Reply, frozen=True):
    """The roots, 32 bytes each; None: the sender does not offer that snapshot."""

    roots: RootBytes | None


class GetStateChunk(Request, frozen=True):
    """Asks for everything below `count` neighbouring nodes of the state tree, from the one named `prefix` on."""

    height: Count
    prefix: Prefix
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_CHUNK_NODES)]


class StateChunk(Reply, frozen=True):
    """What lies below the first `covered` nodes; None: the sender does not offer that snapshot.

    Where the first node alone is too much for one reply `covered` is 0, and `children` holds the hashes of its 16
    children, zeros for empty ones.
    """

    covered: Annotated[int, msgspec.Meta(ge=0, le=MAX_CHUNK_NODES)] | None
    records: Annotated[tuple[tuple[bytes, bytes], ...], msgspec.Meta(max_length=MAX_CHUNK_RECORDS)]
    children: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=16)]


class GetReplayIds(Request, frozen=True):
    """Asks for the ids of transactions that expire in a slot, in the order of the chain, after the first `skip`."""

    height: Count
    slot: Count
    skip: Count


class ReplayIds(Reply, frozen=True):
    """Transaction ids, 32 bytes each; None: the sender does not offer that snapshot."""

    ids: IdBytes | None


class GetOnceTiles(Request, frozen=True):
    """Asks for hashes of tiles of a log of once-records, from the `first` on."""

    height: Count
    family: Family
    first: Count


class OnceTiles(Reply, frozen=True):
    """Hashes of complete tiles, 32 bytes each; None: the sender does not offer that snapshot."""

    tiles: TileBytes | None


class GetOnceLeaves(Request, frozen=True):
    """Asks for `count` leaves of a log of once-records, from the `first` on."""

    height: Count
    family: Family
    first: Count
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_ONCE_LEAVES_PER_REPLY)]


class OnceLeaves(Reply, frozen=True):
    """The leaves, as many as one reply holds; None: the sender does not offer that snapshot."""

    leaves: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=MAX_ONCE_LEAVES_PER_REPLY)] | None


MESSAGE_TYPES: Final[Mapping[Kind, type[Message]]] = MappingProxyType(
    {
        Kind.HELLO: Hello,
        Kind.PING: Ping,
        Kind.PONG: Pong,
        Kind.STATUS: Status,
        Kind.LINKS: Links,
        Kind.ADDRESSES: Addresses,
        Kind.TRANSACTIONS: Transactions,
        Kind.GET_TRANSACTIONS: GetTransactions,
        Kind.TRANSACTIONS_REPLY: TransactionsReply,
        Kind.GET_CANDIDATE: GetCandidate,
        Kind.CANDIDATE: CandidateReply,
        Kind.GET_BLOCKS: GetBlocks,
        Kind.BLOCKS: Blocks,
        Kind.GET_SNAPSHOTS: GetSnapshots,
        Kind.SNAPSHOTS: Snapshots,
        Kind.GET_SET_CHANGES: GetSetChanges,
        Kind.SET_CHANGES: SetChanges,
        Kind.GET_BUCKET_ROOTS: GetBucketRoots,
        Kind.BUCKET_ROOTS: BucketRoots,
        Kind.GET_STATE_CHUNK: GetStateChunk,
        Kind.STATE_CHUNK: StateChunk,
        Kind.GET_REPLAY_IDS: GetReplayIds,
        Kind.REPLAY_IDS: ReplayIds,
        Kind.GET_ONCE_TILES: GetOnceTiles,
        Kind.ONCE_TILES: OnceTiles,
        Kind.GET_ONCE_LEAVES: GetOnceLeaves,
        Kind.ONCE_LEAVES: OnceLeaves,
    }
)

REPLY_KINDS: Final[Mapping[type[Request], Kind]] = MappingProxyType(
    {
        GetTransactions: Kind.TRANSACTIONS_REPLY,
        GetCandidate: Kind.CANDIDATE,
        GetBlocks: Kind.BLOCKS,
        GetSnapshots: Kind.SNAPSHOTS,
        GetSetChanges: Kind.SET_CHANGES,
        GetBucketRoots: Kind.BUCKET_ROOTS,
        GetStateChunk: Kind.STATE_CHUNK,
        GetReplayIds: Kind.REPLAY_IDS,
        GetOnceTiles: Kind.ONCE_TILES,
        GetOnceLeaves: Kind.ONCE_LEAVES,
    }
)

_KINDS: Final = {type_: kind for kind, type_ in MESSAGE_TYPES.items()}
_DECODERS: Final = {kind: TypedDecoder(type_) for kind, type_ in MESSAGE_TYPES.items()}


def kind_of(message: Message) -> Kind:
    """Return the kind of frame that carries the message."""
    return _KINDS[type(message)]


def encode_message(message: Message) -> bytes:
    """Return the canonical bytes of a message of our own making."""
    return encode(message)


def decode(kind: Kind, payload: bytes) -> Message:
    """Return the message in a frame.

    Raises:
        MalformedFrame: not the canonical bytes of a message of this kind.
    """
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise MalformedFrame(f"{kind.name} carries no message of the network's own")
    try:
        return decoder.decode(payload)
    except CodecError as error:
        raise MalformedFrame(f"{kind.name}: {error}") from None
