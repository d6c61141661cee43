"""From entropy to winners: the seed of a draw, and numbers without bias from it (docs/decisions/draws.md).

Anyone who has the digest of the block, the secrets and the entries computes the same: `entente verify draw` calls
these functions, and docs/decisions/draws.md says them in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vm.contract_api import encode, sha256

SEED_TAG: Final = b"entente/draw/1\0"
SECRET_TAG: Final = b"entente/draw-secret/1\0"

WORD: Final = 1 << 64
"""Numbers are drawn from 8 bytes; as no total exceeds 2^53, fewer than one in 2,048 is rejected."""


def commitment_of(chain: str, draw: str, brand: str, secret: bytes) -> str:
    """Return what a brand commits to. It names the brand and the draw, so that no other can use it as its own."""
    return sha256(SECRET_TAG + encode([chain, draw, brand, secret])).hex()


def seed_of(chain: str, draw: str, height: int, digest: bytes, secrets: Sequence[tuple[str, str]]) -> bytes:
    """Return the seed of a draw.

    Args:
        height, digest: of the block whose certificate is the entropy.
        secrets: (brand, secret as hex), sorted by brand.
    """
    return sha256(SEED_TAG + encode([chain, draw, height, digest, [list(pair) for pair in secrets]]))


def number_below(seed: bytes, place: int, total: int) -> int:
    """Return the place-th number of a seed, each from 0 to total - 1 being equally likely.

    A 64-bit word beyond the last multiple of `total` is rejected, and the next one is looked at.
    """
    end = WORD - WORD % total
    attempt = 0
    while (word := _word(seed, place, attempt)) >= end:
        attempt += 1
    return word % total


def _word(seed: bytes, place: int, attempt: int) -> int:
    digest = sha256(seed + place.to_bytes(8, "big") + attempt.to_bytes(4, "big"))
    return int.from_bytes(digest[:8], "big")
