"""Ed25519 keys and domain-separated signatures (SPEC section 1).

One verification routine serves every path, because libraries disagree on edge cases: libsodium
(through PyNaCl) refuses non-canonical S, small-order and non-canonical keys. So nothing takes such a key as an
account's, a validator's or a node's (`is_acceptable_key`): it could never sign here, and in a laxer verifier anyone
could sign for it.
"""

from __future__ import annotations

from typing import Final

from nacl.bindings import (
    crypto_sign,
    crypto_sign_BYTES,
    crypto_sign_open,
    crypto_sign_seed_keypair,
)
from nacl.exceptions import BadSignatureError

PUBLIC_KEY_BYTES: Final = 32
SEED_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

_FIELD_PRIME: Final = 2**255 - 19
_WITHOUT_SIGN: Final = 2**255 - 1
_SMALL_ORDER_HEX: Final = (
    "0000000000000000000000000000000000000000000000000000000000000000",  # order 4
    "0100000000000000000000000000000000000000000000000000000000000000",  # order 1
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",  # order 8
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",  # order 8
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # order 2
)
"""The y-coordinates of the eight points of small order, as libsodium lists them; the sign of x is the highest bit.

Source: libsodium, `ge25519_has_small_order`. Its two further entries, p and p + 1, are not canonical.
"""
_SMALL_ORDER_Y: Final = frozenset(int.from_bytes(bytes.fromhex(text), "little") for text in _SMALL_ORDER_HEX)


class Domain:
    """The tags that every signature covers first, so that one kind never passes for another."""

    TRANSACTION: Final = b"entente/tx/1\0"
    BATCH: Final = b"entente/batch/1\0"
    PROPOSAL: Final = b"entente/proposal/1\0"
    PREPARE: Final = b"entente/prepare/1\0"
    COMMIT: Final = b"entente/commit/1\0"
    ROUND_CHANGE: Final = b"entente/roundchange/1\0"
    RECEIPT: Final = b"entente/receipt/1\0"


def is_acceptable_key(public_key: bytes) -> bool:
    """Tell whether 32 bytes may be somebody's public key: in canonical form, and not of small order.

    Bytes that are no point of the curve pass: no verifier accepts a signature for them.
    """
    if len(public_key) != PUBLIC_KEY_BYTES:
        return False
    y = int.from_bytes(public_key, "little") & _WITHOUT_SIGN
    return y < _FIELD_PRIME and y not in _SMALL_ORDER_Y


def verify(domain: bytes, public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether `signature` is valid for the domain tag followed by `message`.

    Wrong lengths are answered with False, never with an exception.
    """
    if len(signature) != SIGNATURE_BYTES or len(public_key) != PUBLIC_KEY_BYTES:
        return False
    try:
        crypto_sign_open(signature + domain + message, public_key)
    except (BadSignatureError, ValueError):
        return False
    return True


class SigningKey:
    """An Ed25519 private key, made from a 32-byte seed (RFC 8032)."""

    __slots__ = ("_secret", "public_key", "seed")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
        self.seed: bytes = seed
        self.public_key: bytes
        self.public_key, self._secret = crypto_sign_seed_keypair(seed)

    def sign(self, domain: bytes, message: bytes) -> bytes:
        """Return the 64-byte signature over the domain tag followed by `message`."""
        return bytes(crypto_sign(domain + message, self._secret)[:crypto_sign_BYTES])

    def __repr__(self) -> str:
        return f"SigningKey(public_key={self.public_key.hex()})"
