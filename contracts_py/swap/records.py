"""What the swap contract keeps in the state."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from vm.contract_api import (
    ADDRESS,
    SLUG,
    Amount,
    Count,
    Meta,
    OrderedSet,
    Slug,
    Table,
    TimeMs,
)

MAX_TREATIES_OF_PROGRAM: Final = 64
"""Treaties that lead out of one program: a quote looks at all of them, and a check for cycles too."""

MAX_HOPS: Final = 4

Rate = tuple[Amount, Amount]
"""How many to-units (num) for how many from-units (den)."""


class Limits(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """From-units that one account and that all may exchange on a UTC day, and to-units over the treaty's life."""

    member_day: Count | None = None
    total_day: Count | None = None
    inventory: Count | None = None


class Terms(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What two brands agree on: `rate` num to-units for den from-units, less the fee; from when until when."""

    num: Amount
    den: Amount
    fee_bps: Annotated[int, Meta(ge=0, le=9_999)]
    limits: Limits
    valid_from: TimeMs
    valid_to: TimeMs


class Treaty(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A treaty between the brands of two programs.

    `accepted` is False until the other side than `proposer` has agreed. `amendment` waits for the other side than
    `amender`. `suspended_by` names the sides that have suspended it; `ends` is when a termination is in force.
    `revision` counts the terms that were proposed.
    """

    from_program: Slug
    to_program: Slug
    from_brand: Slug
    to_brand: Slug
    proposer: Slug
    terms: Terms
    accepted: bool = False
    amendment: Terms | None = None
    amender: Slug | None = None
    suspended_by: Annotated[tuple[Slug, ...], Meta(max_length=2)] = ()
    ends: TimeMs | None = None
    revision: Count = 1


class Use(msgspec.Struct, frozen=True, gc=False):
    """From-units exchanged on the latest UTC day on which any were, and to-units given over the treaty's life."""

    day: Count
    used: Count
    given: Count = 0


Status = Literal["proposed", "active", "future", "suspended", "ended"]

TREATY: Final = ("treaty", SLUG)

TREATIES: Final[Table[Treaty]] = Table(
    "swap/treaty", (TREATY,), Treaty, "a treaty", missing="no such treaty", present="the treaty exists"
)
TREATIES_OF: Final[OrderedSet[str]] = OrderedSet(
    "swap/treaties-of", (("brand", SLUG),), Slug, "treaties of a brand, proposed ones included"
)
LEADING_FROM: Final[OrderedSet[str]] = OrderedSet(
    "swap/leading-from", (("program", SLUG),), Slug, "accepted treaties that lead out of a program"
)
USES: Final[Table[Use]] = Table("swap/use", (TREATY,), Use, "what of a treaty's limits was used")
MEMBER_USES: Final[Table[Use]] = Table(
    "swap/member-use", (TREATY, ("address", ADDRESS)), Use, "the same, of one account"
)


def status_of(treaty: Treaty, time: int) -> Status:
    """Return what a treaty is at a time."""
    if not treaty.accepted:
        return "ended" if treaty.ends is not None else "proposed"
    if is_over(treaty, time):
        return "ended"
    if treaty.suspended_by:
        return "suspended"
    return "active" if time >= treaty.terms.valid_from else "future"


def is_over(treaty: Treaty, time: int) -> bool:
    """Tell whether nothing can be exchanged under a treaty any more, whatever its sides do."""
    return (treaty.ends is not None and time >= treaty.ends) or time >= treaty.terms.valid_to
