"""SHA-256, the one hash of the chain (SPEC section 1)."""

from hashlib import sha256 as _sha256

HASH_BYTES = 32

ZERO_HASH = bytes(HASH_BYTES)
"""Stands for "nothing": an empty subtree, an empty transaction list."""


def sha256(data: bytes) -> bytes:
    """Return the 32-byte SHA-256 of `data`."""
    return _sha256(data).digest()
