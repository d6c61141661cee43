"""What the campaign contract keeps of draws."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from vm.contract_api import (
    ADDRESS,
    MS_PER_DAY,
    MS_PER_HOUR,
    NUMBER,
    SLUG,
    Address,
    Count,
    Hash,
    Meta,
    Name,
    OrderedSet,
    Schedule,
    Sequence,
    Slug,
    Table,
    TimeMs,
)

MAX_PRIZES: Final = 1_000
"""Winners of one draw, over all prizes: a step of the agenda each."""

MAX_PRIZE_KINDS: Final = 32

MAX_WITNESSES: Final = 16
"""Brands whose secrets one draw waits for: f + 1 of an alliance of 46 validators."""

MAX_ENTRIES_PER_EVENT: Final = 10_000
"""What one effect gives at most: a bound on the damage of a wrong expression."""

MAX_TICKETS: Final = 2**50
"""Tickets of one draw: 2^50, so that every sum is exact and a rejected word is rare."""

MAX_OPEN_MS: Final = 366 * MS_PER_DAY
"""A draw closes within a year and a leap day."""

COMMIT_MS: Final = 7 * MS_PER_DAY
"""How long a closed draw waits for commitments before it is void."""

REVEAL_MS: Final = 24 * MS_PER_HOUR
"""How long brands have to show their secrets."""

MAX_ROUNDS: Final = 8
"""How often a round may fail for a secret that is not shown; then the draw is void."""

MAX_PASSED: Final = 1_000
"""How many accounts a draw passes over (erased, or a winner's own): then the prizes that are left lapse."""

Status = Literal["open", "committing", "sealed", "revealing", "drawing", "done", "void"]


class Prize(msgspec.Struct, frozen=True, gc=False):
    """So many prizes of a name; a brand's campaigns on the event `draw-won` see it as `event.prize`."""

    name: Name
    count: Annotated[int, Meta(ge=1, le=MAX_PRIZES)] = 1


Prizes = Annotated[tuple[Prize, ...], Meta(min_length=1, max_length=MAX_PRIZE_KINDS)]


class Witness(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand's commitment, and its secret once it has shown it."""

    brand: Slug
    commitment: Hash
    secret: Hash | None = None


Witnesses = Annotated[tuple[Witness, ...], Meta(max_length=MAX_WITNESSES)]


class Entropy(msgspec.Struct, frozen=True, gc=False):
    """The block whose digest, certified by a quorum, goes into the seed."""

    height: Count
    digest: Hash


class Draw(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A draw.

    Attributes:
        needed: how many brands must commit.
        once: whether a member wins at most one prize; else a ticket does.
        due: when something happens by itself next; what the agenda holds for another time is stale.
        base: the height at which entries were closed and commitments complete.
        struck: brands that have not shown a secret; they take no further part.
        entropy, seed: as soon as they are fixed.
        drawn: numbers that were drawn so far, those that passed an account over included.
        won: prizes that were given so far.
    """

    brand: Slug
    campaign: Slug
    prizes: Prizes
    closes: TimeMs
    needed: Annotated[int, Meta(ge=0, le=MAX_WITNESSES)]
    once: bool
    status: Status
    due: TimeMs
    round: Annotated[int, Meta(ge=1, le=MAX_ROUNDS)] = 1
    base: Count | None = None
    witnesses: Witnesses = ()
    struck: Annotated[tuple[Slug, ...], Meta(max_length=MAX_WITNESSES)] = ()
    entropy: Entropy | None = None
    seed: Hash | None = None
    drawn: Count = 0
    won: Count = 0

    def prize_at(self, place: int) -> Prize:
        """Return which prize the place-th winner gets."""
        for prize in self.prizes:
            if place < prize.count:
                return prize
            place -= prize.count
        raise IndexError(place)

    def total_prizes(self) -> int:
        """Return how many prizes there are."""
        return sum(prize.count for prize in self.prizes)


Reason = Literal["erased", "linked"]


class Drawn(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What one number of a draw has hit.

    Attributes:
        slot: the account's place among the entries.
        tickets: what the slot had before; taken: how many of them left the draw.
        place: which prize was won; None: the account was passed over, for a reason.
        winner: who got it: the account into which the slot's was merged.
    """

    slot: Count
    tickets: Count
    taken: Count
    place: Count | None = None
    winner: Address | None = None
    reason: Reason | None = None


FANOUT: Final = 64
"""Sums on one page: three levels hold 262,144 accounts, four 16 million; a page has some 200 bytes."""

Sums = Annotated[tuple[Count, ...], Meta(max_length=FANOUT)]

_DRAW: Final = ("draw", SLUG)

DRAWS: Final[Table[Draw]] = Table(
    "campaign/draw", (_DRAW,), Draw, "a giveaway", missing="no such draw", present="the draw exists"
)
DRAWS_OF: Final[OrderedSet[str]] = OrderedSet("campaign/draws", (("brand", SLUG),), Slug, "a brand's draws")
ENTRANTS: Final[Sequence[str]] = Sequence(
    "campaign/draw-entrant", (_DRAW,), Address, "who takes part in a draw, by slot"
)
SLOTS: Final[Table[int]] = Table(
    "campaign/draw-slot", (_DRAW, ("account", ADDRESS)), Count, "at which slot of a draw an account is"
)
TICKETS: Final[Table[tuple[int, ...]]] = Table(
    "campaign/draw-tickets",
    (_DRAW, ("level", NUMBER), ("page", NUMBER)),
    Sums,
    "tickets by slot (level 0), and sums over pages of the level below",
)
RESULTS: Final[Sequence[Drawn]] = Sequence(
    "campaign/draw-result", (_DRAW,), Drawn, "what each number of a draw has hit"
)
WINNERS: Final[Table[int]] = Table(
    "campaign/draw-winner", (_DRAW, ("account", ADDRESS)), Count, "how many prizes an account has won in a draw"
)
STEPS: Final = Schedule("campaign/draw-step", (_DRAW,), "what a draw does next")
AWARDS: Final = Schedule(
    "campaign/draw-award", (_DRAW, ("number", NUMBER)), "the campaigns on `draw-won` run for a winner"
)
