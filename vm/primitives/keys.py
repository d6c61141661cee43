"""Ed25519 keys and domain-separated signatures (SPEC section 1).

One verification routine serves every path, because libraries disagree on edge cases: libsodium
(through PyNaCl) refuses non-canonical S, small-order and non-canonical keys.
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


class Domain:
    """The tags that every signature covers first, so that one kind never passes for another."""

    TRANSACTION: Final = b"entente/tx/1\0"
    PROPOSAL: Final = b"entente/proposal/1\0"
    PREPARE: Final = b"entente/prepare/1\0"
    COMMIT: Final = b"entente/commit/1\0"
    ROUND_CHANGE: Final = b"entente/roundchange/1\0"
    RECEIPT: Final = b"entente/receipt/1\0"


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
