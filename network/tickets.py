"""Tickets: how a listed peer's ClientHello is told from a stranger's before any cryptography of TLS; pure.

A dialler's key is known only when the TLS handshake is over, so a flood of handshakes from a peer's own
address (NAT, a container bridge) would crowd that peer out. Two nodes that know each other's Ed25519
keys share a secret without talking: the X25519 agreement of the same keys. The dialler puts its key and
a MAC under that secret into the ClientHello's server name; the listener checks it with one hash.

A ticket admits to the waiting room only: who holds the key is still proved by the handshake. It is valid
for one pair, one direction and some minutes; an eavesdropper that repeats one gets no further than the few
places of that key, and such an eavesdropper could cut the line as well. A peer without a valid ticket (another
implementation, a clock that is far off) is served like any stranger. docs/decisions/handshake-tickets.md
has the argument.

Invariants:
    1. A ticket is checked for listed keys only, so secrets are remembered for those only.
    2. For any name, `holder` returns a key or None; it does not raise.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from cachetools import FIFOCache
from nacl.bindings import (
    crypto_scalarmult,
    crypto_sign_ed25519_pk_to_curve25519,
    crypto_sign_ed25519_sk_to_curve25519,
    crypto_sign_seed_keypair,
)
from nacl.exceptions import CryptoError

from vm.primitives.keys import PUBLIC_KEY_BYTES, SigningKey

_TAG: Final = b"entente/tls-ticket/1\0"
_SUFFIX: Final = ".entente"
_MAC_BYTES: Final = 16
WINDOW_SECONDS: Final = 600
"""A ticket of this window, of the one before and of the one after is valid: clocks may differ by ten minutes."""

_KEY_CHARACTERS: Final = 52
_MAC_CHARACTERS: Final = 26
"""Base32 without padding: the names of hosts know no difference between small letters and capitals."""

_MAX_SECRETS: Final = 4_096
"""Far more than a chain lists; the oldest is worked out again when it is needed."""


class Tickets:
    """Issues one node's tickets, and checks those that others show it."""

    def __init__(self, chain: str, key: SigningKey) -> None:
        self._chain = chain.encode()
        self._own_key = key.public_key
        self._scalar = crypto_sign_ed25519_sk_to_curve25519(crypto_sign_seed_keypair(key.seed)[1])
        self._secrets: FIFOCache[bytes, bytes | None] = FIFOCache(_MAX_SECRETS)

    def issue(self, listener: bytes, now_s: int) -> str | None:
        """Return the server name that shows a ticket to `listener`; None for a key that allows no agreement."""
        mac = self._mac(listener, self._own_key, listener, now_s // WINDOW_SECONDS)
        return None if mac is None else f"{_base32(self._own_key)}.{_base32(mac)}{_SUFFIX}"

    def holder(self, server_name: str, is_listed: Callable[[bytes], bool], now_s: int) -> bytes | None:
        """Return the key whose ticket to this node the name shows; None where it shows none."""
        parts = server_name.removesuffix(_SUFFIX).split(".")
        if len(parts) != 2 or not server_name.endswith(_SUFFIX):
            return None
        key, shown = _bytes(parts[0], _KEY_CHARACTERS), _bytes(parts[1], _MAC_CHARACTERS)
        if key is None or shown is None or not is_listed(key):
            return None
        window = now_s // WINDOW_SECONDS
        for at in (window, window - 1, window + 1):
            mac = self._mac(key, key, self._own_key, at)
            if mac is not None and hmac.compare_digest(mac, shown):
                return key
        return None

    def _mac(self, other: bytes, dialler: bytes, listener: bytes, window: int) -> bytes | None:
        secret = self._secret(other)
        if secret is None:
            return None
        # Every part but the last has a fixed length or comes last, so no two meanings have the same bytes.
        message = _TAG + dialler + listener + window.to_bytes(8, "big") + self._chain
        return hmac.digest(secret, message, sha256)[:_MAC_BYTES]

    def _secret(self, other: bytes) -> bytes | None:
        if other not in self._secrets:
            self._secrets[other] = self._agree(other)
        return self._secrets[other]

    def _agree(self, other: bytes) -> bytes | None:
        try:
            return bytes(crypto_scalarmult(self._scalar, crypto_sign_ed25519_pk_to_curve25519(other)))
        except CryptoError:
            return None  # no point of the curve's main group: nothing can be agreed with it


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()


def _bytes(text: str, characters: int) -> bytes | None:
    if len(text) != characters:
        return None
    try:
        return base64.b32decode(text.upper() + "=" * (-characters % 8))
    except ValueError:
        return None


assert len(_base32(bytes(PUBLIC_KEY_BYTES))) == _KEY_CHARACTERS
assert len(_base32(bytes(_MAC_BYTES))) == _MAC_CHARACTERS
