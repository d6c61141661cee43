"""Messages have one encoding each; whatever else comes is the sender's fault."""

import msgpack  # type: ignore[import-untyped]
import pytest

from network.errors import MalformedFrame
from network.kinds import RULES, Kind
from network.messages import (
    MAX_BUCKET_ROOTS_PER_REQUEST,
    MAX_HASHES_PER_REQUEST,
    MAX_LINKS,
    MAX_REPLAY_IDS_PER_REPLY,
    MESSAGE_TYPES,
    REPLY_KINDS,
    Addresses,
    Blocks,
    BucketRoots,
    CandidateReply,
    GetBlocks,
    GetBucketRoots,
    GetCandidate,
    GetOnceLeaves,
    GetOnceTiles,
    GetReplayIds,
    GetSetChanges,
    GetSnapshots,
    GetStateChunk,
    GetTransactions,
    Hello,
    Links,
    Message,
    OnceLeaves,
    OnceTiles,
    Ping,
    Pong,
    ReplayIds,
    Reply,
    Request,
    SetChange,
    SetChanges,
    Snapshots,
    StateChunk,
    Status,
    Transactions,
    TransactionsReply,
    decode,
    encode_message,
    kind_of,
)

HASH = bytes(range(32))

EXAMPLES: list[Message] = [
    Hello(chain="demo-1", version=1, height=7, instance=bytes(16), listen=("node", 7_000)),
    Hello(chain="demo-1", version=1, height=7, instance=bytes(16)),
    Ping(id=1),
    Pong(id=1),
    Status(height=2**53 - 1, round=0, digest=HASH),
    Links(keys=(HASH, HASH)),
    Addresses(entries=((HASH, "node", 7_000),)),
    Transactions(origin=True, items=(bytes(96), bytes(300))),
    GetTransactions(id=1, hashes=(HASH,)),
    TransactionsReply(id=1, items=(bytes(96),)),
    GetCandidate(id=1, digest=HASH),
    CandidateReply(id=1, body=None),
    CandidateReply(id=1, body=b"block"),
    GetBlocks(id=1, first=3, count=64),
    Blocks(id=1, items=((b"block", b"certificate"),)),
    GetSnapshots(id=1),
    Snapshots(id=1, heights=(500, 1_000)),
    GetSetChanges(id=1, above=0),
    SetChanges(id=1, items=(SetChange(b"header", b"certificate", ((HASH, "aurora"),)),), more=False),
    GetBucketRoots(id=1, height=500, first=0, count=32_768),
    BucketRoots(id=1, roots=HASH * 2),
    BucketRoots(id=1, roots=None),
    GetStateChunk(id=1, height=500, prefix="00f0", count=64),
    StateChunk(id=1, covered=2, records=((b"key", b"value"),), children=()),
    StateChunk(id=1, covered=0, records=(), children=(HASH,) * 16),
    StateChunk(id=1, covered=None, records=(), children=()),
    GetReplayIds(id=1, height=500, slot=29_000_000, skip=0),
    ReplayIds(id=1, ids=HASH),
    ReplayIds(id=1, ids=None),
    GetOnceTiles(id=1, height=500, family="token.issue", first=0),
    OnceTiles(id=1, tiles=HASH),
    OnceTiles(id=1, tiles=None),
    GetOnceLeaves(id=1, height=500, family="token.issue", first=512, count=256),
    OnceLeaves(id=1, leaves=(b"leaf",)),
    OnceLeaves(id=1, leaves=None),
]


@pytest.mark.parametrize("message", EXAMPLES)
def test_messages_come_back(message: Message) -> None:
    kind = kind_of(message)
    assert decode(kind, encode_message(message)) == message


def test_every_kind_but_the_opaque_one_has_a_message() -> None:
    assert set(MESSAGE_TYPES) == set(Kind) - {Kind.CONSENSUS}
    assert {kind_of(message) for message in EXAMPLES} == set(MESSAGE_TYPES)
    with pytest.raises(MalformedFrame):
        decode(Kind.CONSENSUS, b"")


def test_every_request_names_the_kind_of_its_reply() -> None:
    requests = {type_ for type_ in MESSAGE_TYPES.values() if issubclass(type_, Request)}
    assert requests == REPLY_KINDS.keys()


def test_replies_are_replies() -> None:
    assert all(issubclass(MESSAGE_TYPES[kind], Reply) for kind in REPLY_KINDS.values())


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (Kind.PING, b""),
        (Kind.PING, b"\x91"),
        (Kind.PING, b"\x01"),
        (Kind.PING, b"\x91\xff"),
        (Kind.PING, b"\x91\x01\x00"),
        (Kind.PING, b"\x92\x01\x01"),
        (Kind.PING, b"\x91\xcc\x01"),
        (Kind.PING, b"\x91\xcb" + bytes(8)),
        (Kind.PING, b"\x81\xa2id\x01"),
        (Kind.PING, msgpack.packb([2**53])),
        (Kind.STATUS, msgpack.packb([1, 0, HASH[:31]])),
        (Kind.STATUS, msgpack.packb([1, -1, HASH])),
        (Kind.LINKS, msgpack.packb([[HASH] * (MAX_LINKS + 1)])),
        (Kind.GET_BLOCKS, msgpack.packb([1, 1, 0])),
        (Kind.GET_BLOCKS, msgpack.packb([1, 1, 65])),
        (Kind.BLOCKS, msgpack.packb([1, [[b"block"]]])),
        (Kind.CANDIDATE, msgpack.packb([1, "text"])),
        (Kind.SNAPSHOTS, msgpack.packb([1, list(range(9))])),
        (Kind.GET_BUCKET_ROOTS, msgpack.packb([1, 1, 0, 32_769])),
        (Kind.GET_STATE_CHUNK, msgpack.packb([1, 1, "", 1])),
        (Kind.GET_STATE_CHUNK, msgpack.packb([1, 1, "0A", 1])),
        (Kind.GET_STATE_CHUNK, msgpack.packb([1, 1, "0a\n", 1])),
        (Kind.GET_STATE_CHUNK, msgpack.packb([1, 1, "0" * 65, 1])),
        (Kind.GET_STATE_CHUNK, msgpack.packb([1, 1, "0", 0])),
        (Kind.STATE_CHUNK, msgpack.packb([1, 0, [], [HASH] * 17])),
        (Kind.STATE_CHUNK, msgpack.packb([1, 1, [[b"k"]], []])),
        (Kind.REPLAY_IDS, msgpack.packb([1, bytes(32 * 32_769)])),
        (Kind.SET_CHANGES, msgpack.packb([1, [[b"h", b"c", [[HASH[:31], "a"]]]], False])),
        (Kind.HELLO, msgpack.packb(["c", 1, 1, bytes(16), ["host", 70_000]])),
        (Kind.HELLO, b"\x95\xa2\xff\xff\x01\x01\xc4\x10" + bytes(16) + b"\xc0"),
        (Kind.TRANSACTIONS, b"\x92\xc3\xdd\xff\xff\xff\xff"),
        (Kind.TRANSACTIONS, b"\x91" * 100_000),
        (Kind.TRANSACTIONS, msgpack.packb([True, [bytes(95)]])),
        (Kind.TRANSACTIONS, msgpack.packb([True, [bytes(96)] * 2_049])),
    ],
)
def test_what_is_not_canonical_is_refused(kind: Kind, payload: bytes) -> None:
    with pytest.raises(MalformedFrame):
        decode(kind, payload)


def test_the_longest_lists_fit_their_frames() -> None:
    hashes = GetTransactions(id=2**53 - 1, hashes=(HASH,) * MAX_HASHES_PER_REQUEST)
    assert len(encode_message(hashes)) <= RULES[Kind.GET_TRANSACTIONS].max_bytes
    links = Links(keys=(HASH,) * MAX_LINKS)
    assert len(encode_message(links)) <= RULES[Kind.LINKS].max_bytes
    roots = BucketRoots(id=2**53 - 1, roots=bytes(32 * MAX_BUCKET_ROOTS_PER_REQUEST))
    assert len(encode_message(roots)) <= RULES[Kind.BUCKET_ROOTS].max_bytes
    ids = ReplayIds(id=2**53 - 1, ids=bytes(32 * MAX_REPLAY_IDS_PER_REPLY))
    assert len(encode_message(ids)) <= RULES[Kind.REPLAY_IDS].max_bytes
    hello = Hello(chain="c" * 128, version=1, height=2**53 - 1, instance=bytes(16), listen=("h" * 255, 1))
    assert len(encode_message(hello)) <= RULES[Kind.HELLO].max_bytes
