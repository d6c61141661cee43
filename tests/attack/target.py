"""What an attacker's process knows of the network that it attacks: addresses, the chain, and brands' keys."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genesis.testnet import load_manifest
from vm.primitives.address import address_of_key
from vm.primitives.keys import SigningKey
from vm.transaction import encode_body, sign_body

Op = tuple[str, dict[str, Any]]
TTL_MS = 500_000


@dataclass(frozen=True, slots=True)
class Target:
    """One testnet, as its manifest describes it."""

    chain: str
    ports: tuple[int, ...]
    peer_ports: tuple[int, ...]
    brands: tuple[str, ...]
    keys: dict[str, SigningKey]
    """The admins' keys by brand: an attack that is told to be anonymous does not use them."""

    @classmethod
    def load(cls, directory: Path) -> Target:
        """Read a testnet's manifest."""
        manifest = load_manifest(directory)
        return cls(
            chain=manifest.chain,
            ports=tuple([port_of(each.rpc) for each in manifest.validators]),
            peer_ports=tuple([port_of(each.p2p) for each in manifest.validators]),
            brands=tuple([each.brand for each in manifest.validators]),
            keys={each.brand: SigningKey(bytes.fromhex(each.seed)) for each in manifest.accounts},
        )

    def sign(self, key: SigningKey, ops: Sequence[Op]) -> str:
        """Return a signed transaction in hex, with a nonce of its own."""
        body = self.body(key, ops)
        return sign_body(body, [key]).hex()

    def body(self, key: SigningKey, ops: Sequence[Op]) -> bytes:
        """Return the body of a transaction."""
        expires = time.time_ns() // 1_000_000 + TTL_MS
        return encode_body(self.chain, address(key), secrets.randbelow(2**53), expires, ops)

    def stuffed(self, size: int = 100_000) -> str:
        """Return a large transaction of a stranger: valid, paid for by nobody, refused by the contract."""
        return self.sign(fresh_key(), [("token.burn", {"program": "x" * 8, "amount": 1, "pad": "a" * size})])


def fresh_key() -> SigningKey:
    """Return a key that no chain has seen."""
    return SigningKey(secrets.token_bytes(32))


def address(key: SigningKey) -> str:
    """Return the address of a key."""
    return address_of_key(key.public_key)


def fresh_address() -> str:
    """Return an address that no chain has seen."""
    return address(fresh_key())


def port_of(url: str) -> int:
    """Return the port at the end of a URL or an address."""
    return int(url.rpartition(":")[2])
