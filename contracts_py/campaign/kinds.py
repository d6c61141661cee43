"""What a kind of effect is, and what it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

from contracts_py.calendar import Offsets
from contracts_py.campaign.effect_types import Effect, Given
from contracts_py.campaign.facts import Sight
from contracts_py.campaign.records import Shares, Terms
from contracts_py.campaign.types import Budget
from vm.contract_api import Context

Value = Any


class RuleFailed(Exception):
    """A rule has no usable value: the reason RULE_ERROR, in words."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What an effect is checked against when a campaign is created."""

    brand: str
    budget: Budget | None


class Cause(NamedTuple):
    """What was recorded.

    Attributes:
        receiver: the account that the member is now: another one after a merge.
        made: when it was first recorded: from then on what was given lasts.
        day: the brand's local day of `at`.
        oldest: the first local day that a record can still name.
    """

    brand: str
    offsets: Offsets
    event: str
    member: str
    receiver: str
    ref: str
    at: int
    made: int
    day: int
    oldest: int


@dataclass(slots=True)
class Run:
    """A campaign that fires for a record.

    Attributes:
        before: what the campaign had given for the record before a part of it came back.
        place: of the effect among the campaign's.
    """

    cause: Cause
    campaign: str
    terms: Terms
    shares: Shares = ()
    before: tuple[Given, ...] = ()
    place: int = 0


A = TypeVar("A", contravariant=True)
E = TypeVar("E")
P = TypeVar("P")
G = TypeVar("G")


class Kind(Protocol[A, E, P, G]):
    """A kind of effect: argument A, stored E, planned P, given G."""

    issues: bool
    """Whether it makes points, so that an issuer signs for it."""

    def check(self, ctx: Context, draft: Draft, arg: A, field: str) -> E:
        """Return the effect as it is stored, once it can work.

        Raises:
            Refused: what it names is not there, or not the brand's own.
        """
        ...

    def expressions(self, effect: E) -> Sequence[str]:
        """Return the sources that are evaluated for it, in order."""
        ...

    def plan(self, ctx: Context, sight: Sight, effect: E, values: Sequence[Value]) -> P:
        """Return what it is to do, from what its expressions came to; it writes nothing.

        Raises:
            RuleFailed: that is not what it needs.
        """
        ...

    def worth(self, ctx: Context, planned: P) -> int:
        """Return what that is worth to the member, in minor units; 0 where that is not known."""
        ...

    def apply(self, ctx: Context, run: Run, planned: P) -> G | None:
        """Do it, and return what was given; None where it came to nothing.

        Raises:
            Refused: it cannot be; then the whole rule does nothing.
        """
        ...

    def undo(self, ctx: Context, run: Run, given: G) -> str | None:
        """Take it back; say what could not be, None where all was."""
        ...


AnyKind = Kind[Any, Any, Any, Any]

__all__ = ["AnyKind", "Cause", "Draft", "Effect", "Given", "Kind", "RuleFailed", "Run"]
