"""Signatures for the simulation: a cheap keyed hash, or real Ed25519; and reading what others signed."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from consensus.compact import WireMessage
from consensus.types import HeightContext
from consensus.verification import Verifier
from vm.primitives.keys import SigningKey
from vm.primitives.keys import verify as verify_ed25519

Sign = Callable[[bytes, bytes], bytes]
Verify = Callable[[bytes, bytes, bytes, bytes], bool]

REMEMBERED = 4_096


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


class Reader:
    """Decodes and verifies bytes with the production verifier, once for all hosts that know the same validators."""

    def __init__(self, chain: str, verify: Verify) -> None:
        self._verifier = Verifier(chain, verify)
        self._read: dict[tuple[bytes, int, int, int, int], WireMessage] = {}

    def read(self, data: bytes, context: HeightContext) -> WireMessage:
        """Return the verified message; raises what `Verifier.decode_and_verify` raises, each time anew."""
        sets = (context.validators, context.next_validators, context.parent_validators)
        key = (data, context.height, *map(id, sets))  # equal sets are one object here: ledger.validator_set
        message = self._read.get(key)
        if message is None:
            message = self._verifier.decode_and_verify(data, context.validators_at)
            if len(self._read) >= REMEMBERED:
                self._read.clear()
            self._read[key] = message
        return message
