"""Transactions as bytes: what is malformed, who must have signed, what the signatures cover."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from vm.primitives.address import address_of_key
from vm.primitives.codec import encode
from vm.primitives.keys import Domain, SigningKey
from vm.transaction import (
    MAX_MEMO_BYTES,
    MAX_OPS,
    MAX_SIGNERS,
    MAX_TX_BYTES,
    TransactionError,
    encode_body,
    parse_body,
    parse_transaction,
    sign_body,
    signatures_valid,
)

KEYS = sorted((SigningKey(bytes([i]) * 32) for i in range(1, MAX_SIGNERS + 2)), key=lambda key: key.public_key)
ANN, BOB, *_ = KEYS
OP = ("a.b", {})


def body(**changes: Any) -> bytes:
    given = {"sender": address_of_key(ANN.public_key), "nonce": 1, "expires": 2, "ops": [OP], **changes}
    return encode_body("chain", **given)


def reason(raw: bytes) -> str:
    with pytest.raises(TransactionError) as caught:
        parse_transaction(raw)
    return caught.value.reason


def signed(body_bytes: bytes, *keys: SigningKey) -> bytes:
    """Return the bytes of a transaction with signatures in just this order."""
    sigs = [[key.public_key, key.sign(Domain.TRANSACTION, body_bytes)] for key in keys]
    return encode({"body": body_bytes, "sigs": sigs})


# -- the body -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": address_of_key(ANN.public_key)[:-1] + "!"},
        {"sender": ""},
        {"ops": []},
        {"ops": [OP] * (MAX_OPS + 1)},
        {"memo": "é" * (MAX_MEMO_BYTES // 2) + "x"},
        {"memo": " x"},
        {"memo": "a\u202eb"},
        {"signers": [key.public_key for key in KEYS[: MAX_SIGNERS + 1]]},
        {"signers": [ANN.public_key, ANN.public_key]},
        {"signers": [ANN.public_key, BOB.public_key[:31]]},
    ],
)
def test_a_malformed_body_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(TransactionError) as caught:
        parse_body(body(**changes))
    assert caught.value.reason == "MALFORMED"


@pytest.mark.parametrize("signers", [[], [BOB.public_key, ANN.public_key]], ids=["none", "unsorted"])
def test_signers_are_named_in_order(signers: list[bytes]) -> None:
    fields = msgspec.msgpack.decode(body())
    with pytest.raises(TransactionError, match=r"body\.signers"):
        parse_body(encode({**fields, "signers": signers}))


def test_a_body_at_its_bounds_is_whole() -> None:
    largest = {
        "ops": [OP] * MAX_OPS,
        "memo": "é" * (MAX_MEMO_BYTES // 2),
        "signers": [key.public_key for key in KEYS[:MAX_SIGNERS]],
    }
    assert len(parse_body(body(**largest)).ops) == MAX_OPS


# -- the signatures -----------------------------------------------------------------------------------


def test_the_senders_key_alone_signs_where_no_signers_are_named() -> None:
    assert parse_transaction(signed(body(), ANN)).signer_addresses == (address_of_key(ANN.public_key),)
    for keys in ((), (BOB,), (ANN, BOB), (ANN, ANN)):
        assert reason(signed(body(), *keys)) == "BAD_SIGNATURE"


def test_just_the_named_signers_sign_in_order() -> None:
    named = body(signers=[ANN.public_key, BOB.public_key])
    parsed = parse_transaction(signed(named, ANN, BOB))
    assert parsed.signer_addresses == (address_of_key(ANN.public_key), address_of_key(BOB.public_key))
    for keys in ((), (ANN,), (BOB, ANN), (ANN, KEYS[2]), (ANN, BOB, KEYS[2])):
        assert reason(signed(named, *keys)) == "BAD_SIGNATURE"


@pytest.mark.parametrize("pair", [[bytes(31), bytes(64)], [bytes(32), bytes(63)]])
def test_keys_and_signatures_have_their_lengths(pair: list[bytes]) -> None:
    assert reason(encode({"body": body(), "sigs": [pair]})) == "MALFORMED"


def test_every_signature_must_be_valid() -> None:
    named = body(signers=[ANN.public_key, BOB.public_key])
    assert signatures_valid(parse_transaction(sign_body(named, [BOB, ANN])))
    good = [ANN.public_key, ANN.sign(Domain.TRANSACTION, named)]
    forged = [BOB.public_key, bytes(64)]
    assert not signatures_valid(parse_transaction(encode({"body": named, "sigs": [good, forged]})))
    other_domain = [BOB.public_key, BOB.sign(Domain.PREPARE, named)]
    assert not signatures_valid(parse_transaction(encode({"body": named, "sigs": [good, other_domain]})))


def test_a_transactions_id_does_not_change_with_its_signatures_and_its_hash_does() -> None:
    right = parse_transaction(sign_body(body(), [ANN]))
    forged = parse_transaction(encode({"body": body(), "sigs": [[ANN.public_key, bytes(64)]]}))
    assert right.id == forged.id
    assert right.hash != forged.hash


# -- the whole ----------------------------------------------------------------------------------------


def test_a_transaction_has_a_bounded_length() -> None:
    def of_length(extra: int) -> bytes:
        return signed(body(ops=[("a.b", {"x": "y" * (MAX_TX_BYTES - 1_000 + extra)})]), ANN)

    room = MAX_TX_BYTES - len(of_length(0))
    assert len(of_length(room)) == MAX_TX_BYTES
    parse_transaction(of_length(room))
    assert reason(of_length(room + 1)) == "TOO_LARGE"


@pytest.mark.parametrize("raw", [b"", b"\xc0", encode({"body": b"", "sigs": []}), signed(body(), ANN) + b"\0"])
def test_other_bytes_are_malformed(raw: bytes) -> None:
    assert reason(raw) == "MALFORMED"
