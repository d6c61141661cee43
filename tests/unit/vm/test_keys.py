"""Which public keys are acceptable: ours against libsodium's rule, and a lax verifier that shows why.

The lax verifier is RFC 8032 section 5.1.7 read literally, without the checks that libsodium adds: it decodes any
encoding and lets small-order points pass. For every key that `is_acceptable_key` refuses, a signature is made,
without any secret, that the lax one takes.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from nacl.bindings import crypto_core_ed25519_is_valid_point

from tests.contract_harness import Chain, account_of, brand_ops, key_of
from tests.support.ledger import key_of as real_key
from vm.chain_records import ValidatorEntry
from vm.primitives.address import (
    ADDRESS_LENGTH,
    address_of_key,
    decode_address,
    encode_address,
    is_address,
)
from vm.primitives.codec import decode, encode
from vm.primitives.keys import Domain, is_acceptable_key, verify
from vm.transaction import encode_body, parse_transaction, sign_body, signatures_valid

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
Point = tuple[int, int]
NEUTRAL: Point = (0, 1)


def add(a: Point, b: Point) -> Point:
    product = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + b[0] * a[1]) * pow(1 + product, -1, P) % P
    return x, (a[1] * b[1] + a[0] * b[0]) * pow(1 - product, -1, P) % P


def times(factor: int, point: Point) -> Point:
    total = NEUTRAL
    while factor:
        if factor & 1:
            total = add(total, point)
        point, factor = add(point, point), factor >> 1
    return total


def point_of(data: bytes) -> Point | None:
    """Decode laxly: y is reduced, and the sign of x = 0 is ignored."""
    number = int.from_bytes(data, "little")
    y, sign = (number & (2**255 - 1)) % P, number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * ROOT_OF_MINUS_ONE % P
    if x * x % P != square:
        return None
    return (P - x if x & 1 != sign and x else x), y


def bytes_of(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


BASE = point_of((4 * pow(5, -1, P) % P).to_bytes(32, "little")) or NEUTRAL


def lax_verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether [S]B = R + [k]A, without any further check."""
    nonce, public = point_of(signature[:32]), point_of(key)
    if nonce is None or public is None:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    return times(int.from_bytes(signature[32:], "little"), BASE) == add(nonce, times(challenge, public))


def forged(key: bytes, message: bytes) -> bytes:
    """Sign for a small-order key without a secret: R = [s]B − [j]A with the j that the challenge comes to."""
    public = point_of(key)
    assert public is not None
    for s in range(1, 1_000):
        for j in range(8):
            nonce = add(times(s, BASE), times(8 * L - j, public))
            signature = bytes_of(nonce) + s.to_bytes(32, "little")
            if lax_verify(key, message, signature):
                return signature
    raise AssertionError("no forgery found")


def encodings() -> list[bytes]:
    """Return every encoding, canonical or not, of every point whose order divides 8."""
    found = []
    for y in range(2**255 - P):
        found += [(y + P) | sign << 255 for sign in (0, 1)]
    point = next(
        candidate
        for seed in range(2, 100)
        if (start := point_of(seed.to_bytes(32, "little"))) is not None
        and times(4, candidate := times(L, start)) != NEUTRAL
    )
    small = [times(i, point) for i in range(8)]
    assert len(set(small)) == 8
    found += [y | sign << 255 for _, y in small for sign in (0, 1)]
    return [number.to_bytes(32, "little") for number in dict.fromkeys(found)]


SMALL_ORDER = [key for key in encodings() if (at := point_of(key)) is not None and times(8, at) == NEUTRAL]
NOT_CANONICAL = [key for key in encodings() if int.from_bytes(key, "little") & (2**255 - 1) >= P]

SPECCHECK: list[tuple[str, bool]] = [
    ("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", False),
    ("f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43", True),
    ("cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d", True),
    ("442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623", True),
    ("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", False),
]
"""The public keys of ed25519-speccheck's cases ("Taming the many EdDSAs"), and whether libsodium takes them.

In this order: of small order; of prime order; of mixed order; of prime order; of small order and not canonical.
"""


def test_there_are_fourteen_encodings_of_small_order_and_more_that_are_not_canonical() -> None:
    assert (len(SMALL_ORDER), len(NOT_CANONICAL)) == (14, 38)


@pytest.mark.parametrize("key", sorted({*SMALL_ORDER, *NOT_CANONICAL}), ids=bytes.hex)
def test_what_is_refused_libsodium_refuses_as_well(key: bytes) -> None:
    assert not is_acceptable_key(key)
    assert not crypto_core_ed25519_is_valid_point(key)


@pytest.mark.parametrize("key", SMALL_ORDER, ids=bytes.hex)
def test_anyone_signs_for_a_small_order_key_where_the_verifier_is_lax(key: bytes) -> None:
    message = Domain.TRANSACTION + b"anything"
    signature = forged(key, message)
    assert lax_verify(key, message, signature)
    assert not verify(Domain.TRANSACTION, key, b"anything", signature)


@pytest.mark.parametrize(("key", "acceptable"), SPECCHECK)
def test_the_keys_of_speccheck(key: str, acceptable: bool) -> None:
    assert is_acceptable_key(bytes.fromhex(key)) is acceptable


def test_honest_keys_are_acceptable_and_other_lengths_are_not() -> None:
    for number in range(200):
        assert is_acceptable_key(real_key(str(number)).public_key)
    for length in (0, 31, 33, 64):
        assert not is_acceptable_key(bytes([7]) * length)


# -- where keys are taken -----------------------------------------------------------------------------

WEAK = ["01" + "00" * 31, "00" * 32, "ec" + "ff" * 30 + "7f", "ec" + "ff" * 31, "ee" + "ff" * 30 + "7f"]
BRANDS = ("aurora", "basil", "comet", "dune")


@pytest.fixture(scope="module")
def chain() -> Chain:
    ops = [op for brand in (*BRANDS, "echo") for op in brand_ops(brand)]
    return Chain(ops, validators=[ValidatorEntry(key_of(brand), brand) for brand in BRANDS])


@pytest.mark.parametrize("key", WEAK)
def test_no_call_takes_a_weak_key(chain: Chain, key: str) -> None:
    def action(**fields: Any) -> dict[str, Any]:
        return {"proposal": "weak", "title": "x", "actions": [fields]}

    attempts: list[tuple[str, dict[str, Any], str]] = [
        ("identity.set_auth", {"keys": [key_of("a").hex(), key], "threshold": 1}, "keys[1]"),
        ("identity.claim", {"member": account_of("ann"), "key": key}, "key"),
        ("gov.rotate_key", {"old": key_of("aurora").hex(), "new": key}, "new"),
        ("gov.propose", action(action="add_validator", brand="echo", key=key), "actions[0].key"),
        ("gov.propose", action(action="add_node", key=key), "actions[0].key"),
    ]
    for call, args, field in attempts:
        error = chain.send_ops("aurora-admin", [(call, args)]).error
        assert error is not None
        assert (error.code, error.details) == ("INVALID_ARGS", {"field": field})


@pytest.mark.parametrize("key", [bytes.fromhex(key) for key in WEAK], ids=bytes.hex)
def test_no_signature_of_a_weak_key_is_valid_in_a_transaction(key: bytes) -> None:
    ann = real_key("ann")
    body = encode_body("c-0000000000000000", address_of_key(ann.public_key), 5, 9, [("a.b", {})], signers=[key])
    for nonce in (bytes.fromhex("01" + "00" * 31), key):
        tx = parse_transaction(encode({"body": body, "sigs": [[key, nonce + bytes(32)]]}))
        assert not signatures_valid(tx)


def test_a_signature_with_the_group_order_added_is_another_and_not_valid() -> None:
    ann = real_key("ann")
    body = encode_body("c-0000000000000000", address_of_key(ann.public_key), 5, 9, [("a.b", {})])
    raw = sign_body(body, [ann])
    assert signatures_valid(parse_transaction(raw))
    public, signature = decode(raw)["sigs"][0]
    larger = int.from_bytes(signature[32:], "little") + L
    other = signature[:32] + larger.to_bytes(32, "little")
    assert lax_verify(public, Domain.TRANSACTION + body, other), "the equation holds: only the range of S tells"
    assert not signatures_valid(parse_transaction(encode({"body": body, "sigs": [[public, other]]})))


# -- addresses ----------------------------------------------------------------------------------------


def plain_checksum_holds(text: str) -> bool:
    """Check an address as BIP-350 writes it down, one symbol after the other."""
    values = [ord(c) >> 5 for c in "ent"] + [0] + [ord(c) & 31 for c in "ent"]
    values += ["qpzry9x8gf2tvdw0s3jn54khce6mua7l".index(c) for c in text[4:]]
    checksum = 1
    for value in values:
        top, checksum = checksum >> 25, (checksum & 0x1FFFFFF) << 5 ^ value
        for i, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            checksum ^= generator if top >> i & 1 else 0
    return checksum == 0x2BC830A3


def test_every_bit_of_a_hash_stands_in_its_address() -> None:
    hashes = [(1 << bit).to_bytes(20, "big") for bit in range(160)]
    hashes += [hashlib.sha256(b"%d" % number).digest()[:20] for number in range(50)]
    hashes += [bytes(20), b"\xff" * 20]
    for hash20 in hashes:
        text = encode_address(hash20)
        assert len(text) == ADDRESS_LENGTH
        assert plain_checksum_holds(text)
        assert decode_address(text) == hash20


def test_the_checksum_by_parts_is_bech32ms() -> None:
    for number in range(50):
        text = encode_address(hashlib.sha256(b"%d" % number).digest()[:20])
        assert plain_checksum_holds(text)
        assert is_address(text)
        for place in range(4, ADDRESS_LENGTH):
            other = text[:place] + ("q" if text[place] != "q" else "p") + text[place + 1 :]
            assert not is_address(other)
            assert not plain_checksum_holds(other)
    assert not is_address("ent1" + "b" * 38)
    assert not is_address("enu1" + text[4:])
