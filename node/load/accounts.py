"""The accounts between which a load moves points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vm.primitives.address import address_of_key
from vm.primitives.hashing import sha256
from vm.primitives.keys import SigningKey

MAX_ACCOUNTS: Final = 100_000
"""Of one command: their keys take some 60 MB, and their points 400 transactions."""

_STRIDE: Final = 7_919
"""A prime: receivers come in another order than senders, whatever the number of accounts."""


class Accounts:
    """Accounts and their keys."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        self._keys = list(keys)
        self.addresses = [address_of_key(key.public_key) for key in self._keys]

    @classmethod
    def derived(cls, key: SigningKey, count: int) -> Accounts:
        """Return the accounts that belong to a brand's key: the same ones each time, which keep their points."""
        return cls([SigningKey(sha256(b"entente/load\0" + key.seed + n.to_bytes(4, "big"))) for n in range(count)])

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.addresses)

    def key(self, index: int) -> SigningKey:
        """Return an account's key."""
        return self._keys[index]

    def pair(self, number: int) -> tuple[int, str]:
        """Return a sender and the address of another account, spread over all of them as `number` grows."""
        count = len(self.addresses)
        sender = number % count
        to = (number * _STRIDE + 1 + number // count) % count
        return sender, self.addresses[to if to != sender else to - 1]
