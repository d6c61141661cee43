"""Whose turn it is to propose (SPEC section 3, Proposer; Dafny `proposer`, with skipping).

The order of a height starts after the previous proposer and has the active validators first. A
validator is active while its seals are on the record: so a dead one costs one timeout, is then
skipped, and is back as soon as its seals are.

Invariants:
    1. The order is a permutation of all indices: everyone's turn comes within n rounds.
    2. It depends on the chain only: every validator computes the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from consensus.types import ValidatorSet

ACTIVE_WINDOW: Final = 17
"""Heights for which a seal counts as a sign of life (SPEC section 3)."""


class SealRecord(msgspec.Struct, frozen=True, gc=False):
    """When a validator last sealed (embedded in a block's parent certificate) and was last skipped."""

    last_seal: int
    last_skip: int


NO_RECORD: Final = SealRecord(0, 0)


def is_active(record: SealRecord, height: int) -> bool:
    """Tell whether a validator stands among the first of order(height)."""
    if height <= ACTIVE_WINDOW:
        return True
    return record.last_seal > record.last_skip and record.last_seal >= height - ACTIVE_WINDOW


def proposer_order(
    validators: ValidatorSet,
    records: Mapping[bytes, SealRecord],
    height: int,
    previous_proposer: bytes | None,
) -> tuple[int, ...]:
    """Return order(height) as indices into `validators`. Source: Dafny `proposer`, with the active ones first.

    Args:
        records: by public key; a validator without one has never sealed.
        previous_proposer: the previous header's proposer, possibly no validator any more; None at
            height 1.
    """
    keys = [v.public_key for v in validators.validators]
    start = 0
    if previous_proposer is not None:
        start = sum(1 for key in keys if key <= previous_proposer)
    rotated = [(start + i) % validators.n for i in range(validators.n)]
    active = [i for i in rotated if is_active(records.get(keys[i], NO_RECORD), height)]
    rest = [i for i in rotated if not is_active(records.get(keys[i], NO_RECORD), height)]
    return tuple(active + rest)


def skipped(order: Sequence[int], proposer: int) -> tuple[int, ...]:
    """Return whom the block proposed by `proposer` skips: those before it in its height's order."""
    return tuple(order[: list(order).index(proposer)])
