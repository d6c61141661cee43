"""Messages have one encoding each; whatever else comes is the sender's fault."""

import msgpack  # type: ignore[import-untyped]
import pytest

from network.errors import MalformedFrame
from network.kinds import RULES, Kind
from network.messages import (
    MAX_HASHES_PER_REQUEST,
    MAX_LINKS,
    MESSAGE_TYPES,
    REPLY_KINDS,
    Blocks,
    Candidate,
    GetBlocks,
    GetCandidate,
    GetTransactions,
    Hello,
    Links,
    Message,
    Ping,
    Pong,
    Reply,
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
    Transactions(origin=True, items=(bytes(96), bytes(300))),
    GetTransactions(id=1, hashes=(HASH,)),
    TransactionsReply(id=1, items=(bytes(96),)),
    GetCandidate(id=1, digest=HASH),
    Candidate(id=1, body=None),
    Candidate(id=1, body=b"block"),
    GetBlocks(id=1, first=3, count=64),
    Blocks(id=1, items=((b"block", b"certificate"),)),
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
    hello = Hello(chain="c" * 128, version=1, height=2**53 - 1, instance=bytes(16), listen=("h" * 255, 1))
    assert len(encode_message(hello)) <= RULES[Kind.HELLO].max_bytes
