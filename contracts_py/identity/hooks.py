"""What identity tells contracts above it (docs/ledger.md, Identity). Each hook is told within the operation."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from vm.contract_api import Hook


class PoolChange(msgspec.Struct, frozen=True, gc=False):
    """A member has joined or left a household pool, which has so many members now."""

    pool: str
    member: str
    members: int


class Merge(msgspec.Struct, frozen=True, gc=False):
    """The source was merged into the target, or is so no longer."""

    source: str
    target: str


class Regrouped(msgspec.Struct, frozen=True, gc=False):
    """These accounts were linked, or are so no longer; others that were linked to them are not listed."""

    accounts: tuple[str, ...]


class Erasure(msgspec.Struct, frozen=True, gc=False):
    """The facts of a member were erased."""

    member: str


class BrandExit(msgspec.Struct, frozen=True, gc=False):
    """A brand's run-off is over; the custodian acts for its custodial members."""

    brand: str
    custodian: str


@dataclass(frozen=True, slots=True)
class IdentityHooks:
    """All hooks of identity; each is to be wired once.

    Attributes:
        pool_joined, pool_left: told after the pool's members have changed. A member leaves its pool before it is
            merged into another, or erased.
        merged, unmerged: told when identity's marks stand, or are gone.
        regrouped: told by a link, an unlink, and of those who were linked to an account that was erased;
            a merge is told by `merged` alone.
        erased: told when nothing is left.
        brand_exited: told by the agenda at the end of the run-off or later; `Authority.has_left` is exact.
    """

    pool_joined: Hook[PoolChange] = field(default_factory=lambda: Hook("identity.pool_joined"))
    pool_left: Hook[PoolChange] = field(default_factory=lambda: Hook("identity.pool_left"))
    merged: Hook[Merge] = field(default_factory=lambda: Hook("identity.merged"))
    unmerged: Hook[Merge] = field(default_factory=lambda: Hook("identity.unmerged"))
    regrouped: Hook[Regrouped] = field(default_factory=lambda: Hook("identity.regrouped"))
    erased: Hook[Erasure] = field(default_factory=lambda: Hook("identity.erased"))
    brand_exited: Hook[BrandExit] = field(default_factory=lambda: Hook("identity.brand_exited"))
