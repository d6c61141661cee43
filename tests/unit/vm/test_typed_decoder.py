"""Decoders of declared types: what a type may allow, and that no integer beyond ±(2^53 − 1) comes in."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from consensus.messages import Prepare, RoundChangeVote, decode_message
from consensus.types import Certificate, Header, decode_certificate, decode_header
from network.errors import MalformedFrame
from network.kinds import Kind
from network.messages import decode
from vm.primitives.canonical_types import depth_of
from vm.primitives.codec import MAX_DEPTH, CodecError, TypedDecoder, encode
from vm.primitives.units import MAX_INT, MIN_INT, Count
from vm.state_proof import ProofNode, StateProof
from vm.transaction import Body, TransactionError, encode_body, parse_body

ZERO = bytes(32)
BEYOND = (MAX_INT + 1, 2**63, 2**64 - 1)


class Plain(msgspec.Struct, frozen=True):
    number: int


class Outer(msgspec.Struct, frozen=True):
    items: tuple[Plain, ...]


class Endless(msgspec.Struct, frozen=True):
    inner: Endless | None


class Deep(msgspec.Struct, frozen=True):
    numbers: dict[str, list[tuple[Count, bytes]]]
    name: Literal["a", "b"] | None = None


@pytest.mark.parametrize(
    "type_",
    [
        int,
        Plain,
        Outer,
        list[int],
        dict[str, int],
        tuple[bytes, int],
        int | None,
        Annotated[int, Meta(ge=0)],
        Annotated[int, Meta(le=5)],
        Annotated[int, Meta(ge=0, le=MAX_INT + 1)],
        Annotated[int, Meta(ge=0, lt=MAX_INT + 2)],
        Annotated[int, Meta(ge=MIN_INT - 1, le=0)],
        Annotated[list[int], Meta(max_length=3)],
        float,
        Any,
        list,
        dict,
        dict[bytes, bytes],
        Literal[1, 2],
        msgspec.Raw,
        msgspec.msgpack.Ext,
        Endless,
    ],
)
def test_a_type_that_allows_what_canonical_bytes_cannot_hold_has_no_decoder(type_: Any) -> None:
    with pytest.raises(TypeError):
        TypedDecoder(type_)


def test_a_refused_type_is_named_with_its_place() -> None:
    with pytest.raises(TypeError, match=r"Plain\.number: .* canonical"):
        TypedDecoder(Outer)


def test_a_bounded_type_is_decoded() -> None:
    value = Deep({"x": [(MAX_INT, b"\0")]}, "b")
    assert TypedDecoder(Deep).decode(encode(value)) == value
    assert TypedDecoder(Annotated[int, Meta(ge=MIN_INT, lt=MAX_INT + 1)]).decode(encode(MIN_INT)) == MIN_INT


def test_the_depth_of_a_type_is_that_of_its_deepest_value() -> None:
    assert [depth_of(type_) for type_ in (bytes, list[bytes], Deep, Deep | None, Body)] == [0, 1, 4, 4, MAX_DEPTH]
    deep: Any = bytes
    for _ in range(MAX_DEPTH):
        deep = list[deep]
    TypedDecoder(deep)
    with pytest.raises(TypeError, match="nests deeper than 16"):
        TypedDecoder(list[deep])


@pytest.mark.parametrize("number", [*BEYOND, -1])
@pytest.mark.parametrize("field", ["nonce", "expires"])
def test_no_transaction_has_a_number_beyond_the_protocols(field: str, number: int) -> None:
    numbers = {"nonce": MAX_INT, "expires": MAX_INT}
    sender = "ent1" + "q" * 38
    with pytest.raises(TransactionError, match=field) as caught:
        parse_body(encode_body("chain", sender, ops=[("a.b", {})], **{**numbers, field: number}))
    assert caught.value.reason == "MALFORMED"


@pytest.mark.parametrize("number", BEYOND)
def test_no_consensus_value_has_a_number_beyond_the_protocols(number: int) -> None:
    fields = dict.fromkeys(Header.__struct_fields__, ZERO) | {"chain": "c"}
    counts = dict.fromkeys(("version", "height", "time", "tx_count"), MAX_INT)
    assert decode_header(encode({**fields, **counts})).height == MAX_INT
    for name in counts:
        with pytest.raises(CodecError, match=name):
            decode_header(encode({**fields, **counts, name: number}))
    certificate = Certificate(1, MAX_INT, ZERO, ZERO, ZERO, ())
    with pytest.raises(CodecError, match="round"):
        decode_certificate(encode(msgspec.structs.replace(certificate, round=number)))
    with pytest.raises(CodecError, match="height"):
        decode_message(encode(Prepare(number, 0, 0, ZERO, bytes(64))))
    with pytest.raises(CodecError, match="prepared_round"):
        TypedDecoder(RoundChangeVote).decode(encode(RoundChangeVote(0, number, ZERO, bytes(64))))


@pytest.mark.parametrize("number", BEYOND)
def test_no_message_of_a_peer_has_a_number_beyond_the_protocols(number: int) -> None:
    for kind, fields in ((Kind.PING, [number]), (Kind.STATUS, [1, number, ZERO]), (Kind.SNAPSHOTS, [1, [number]])):
        with pytest.raises(MalformedFrame, match=kind.name):
            decode(kind, encode(fields))


def test_a_proofs_bitmap_has_one_bit_for_each_child() -> None:
    whole = StateProof((ProofNode(0xFFFF, (ZERO,) * 16),))
    assert StateProof.from_bytes(whole.to_bytes()) == whole
    with pytest.raises(CodecError, match="65535"):
        StateProof.from_bytes(StateProof((ProofNode(0x10000, ()),)).to_bytes())
