"""Signatures for the simulation: a cheap keyed hash, or real Ed25519."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from vm.primitives.keys import SigningKey
from vm.primitives.keys import verify as verify_ed25519

Sign = Callable[[bytes, bytes], bytes]
Verify = Callable[[bytes, bytes, bytes, bytes], bool]


def _mac(public_key: bytes, domain: bytes, payload: bytes) -> bytes:
    digest = sha256(public_key + domain + payload).digest()
    return digest + digest


def cheap_keys(count: int) -> tuple[list[tuple[bytes, Sign]], Verify]:
    """Return (public key, sign) pairs and the verify function; nobody in the simulation forges."""

    def signer(key: bytes) -> Sign:
        return lambda domain, payload: _mac(key, domain, payload)

    def verify(domain: bytes, key: bytes, payload: bytes, signature: bytes) -> bool:
        return signature == _mac(key, domain, payload)

    keys = sorted(sha256(b"validator %d" % i).digest() for i in range(count))
    return [(key, signer(key)) for key in keys], verify


def real_keys(count: int) -> tuple[list[tuple[bytes, Sign]], Verify]:
    """Return (public key, sign) pairs of Ed25519 keys and the one verify function."""
    keys = [SigningKey(sha256(b"validator %d" % i).digest()) for i in range(count)]
    return sorted((key.public_key, key.sign) for key in keys), verify_ed25519
