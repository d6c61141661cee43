"""What tier tells contracts above it."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from contracts_py.tier.events import Cause
from vm.contract_api import Hook


class TierChange(msgspec.Struct, frozen=True, gc=False):
    """A member's level in a ladder is another one, since `at`; None: rank 0 of a ladder that has no name for it."""

    brand: str
    ladder: str
    member: str
    from_: str | None
    to: str | None
    from_rank: int
    to_rank: int
    at: int
    cause: Cause


@dataclass(frozen=True, slots=True)
class TierHooks:
    """All hooks of tier; each is to be wired once.

    Attributes:
        changed: told with each event `tier.changed`, once what changed is what views show.
    """

    changed: Hook[TierChange] = field(default_factory=lambda: Hook("tier.changed"))
