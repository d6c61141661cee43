"""What the nft contract keeps in the state (docs/nft.md)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

import msgspec

from contracts_py.nft.art import Art
from contracts_py.nft.traits import TraitName, TraitPairs, Traits
from vm.contract_api import (
    ADDRESS,
    NUMBER,
    SLUG,
    TEXT,
    Address,
    Count,
    Hash,
    Meta,
    Name,
    OrderedSet,
    Rule,
    Schedule,
    Sequence,
    Slug,
    Table,
    TimeMs,
    code,
    refuse,
    text,
)

MAX_SYMBOL: Final = 16
MAX_DESCRIPTION: Final = 1_024
MAX_URI: Final = 256
"""Gateways of content networks make addresses of some 120 characters."""

MAX_RULES: Final = 32
MAX_RULES_OF_TRIGGER: Final = 16
MAX_SETS: Final = 8
"""Traits that one rule sets."""

MAX_HELD_DAYS: Final = 36_500
"""A century."""

MAX_FACTS: Final = 32_768
"""Bytes of an event's facts that wait; a campaign's records hold less."""

MAX_SOURCE: Final = 4_096
"""Bytes of an expression (SPEC section 8); the checker counts them."""

_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_URI: Final = re.compile(r"(?:https|ipfs|ar)://[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+\Z")


def _address_of_document(value: Any, field: str) -> Any:
    if type(value) is not str or len(value) > MAX_URI or _URI.match(value.replace("{id}", "0")) is None:
        refuse(field, "an https:, ipfs: or ar: address of at most 256 characters of RFC 3986")
    return value


def _source(value: Any, field: str) -> Any:
    """Take any text that is not too long: the language's own checker says what is wrong with it, and where."""
    if type(value) is not str or not 1 <= len(value) <= MAX_SOURCE or _LONE_SURROGATE.search(value) is not None:
        refuse(field, f"an expression of 1 to {MAX_SOURCE} characters")
    return value


TokenId = Count
"""A number, in decimal without leading zeros wherever it is written; the facade's are the same in hex."""

Symbol = Annotated[str, text(1, MAX_SYMBOL), Meta(max_length=MAX_SYMBOL)]
Description = Annotated[str, text(1, MAX_DESCRIPTION), Meta(max_length=MAX_DESCRIPTION)]
Uri = Annotated[
    str,
    Rule(_address_of_document, {"type": "string", "format": "uri"}, max_bytes=MAX_URI),
    Meta(max_length=MAX_URI),
]
TransferRule = Literal["free", "brand"]
HeldDays = Annotated[int, Meta(ge=1, le=MAX_HELD_DAYS)]
Source = Annotated[
    str,
    Rule(_source, {"type": "string", "minLength": 1, "maxLength": MAX_SOURCE}, units=4, max_bytes=4 * MAX_SOURCE),
    Meta(max_length=MAX_SOURCE),
]
RulePlace = Annotated[int, Meta(ge=0, le=MAX_RULES - 1)]
RulePlaces = Annotated[tuple[RulePlace, ...], Meta(max_length=MAX_RULES)]
TriggerKey = Annotated[str, code(), Meta(max_length=64)]
CauseKind = Literal["mint", "event", "tier", "held", "manual", "update", "uri", "burn"]


class OnChain(msgspec.Struct, frozen=True, tag_field="mode", tag="onchain", gc=False):
    """The document is made of the state."""


class AtUri(msgspec.Struct, frozen=True, tag_field="mode", tag="uri", gc=False):
    """The document is elsewhere; `base` and the token make its address."""

    base: Uri


Mode = OnChain | AtUri


class Collection(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What every operation on a token of it must know.

    Attributes:
        transfer: whether a token that is not soulbound goes to anyone, or to members of the brand only.
        revision: which look, and which rules, are in force; from 1 on.
        held: the days of the rules for time held, ascending.
        frozen: no metadata of it changes any more.
    """

    brand: Slug
    name: Name
    symbol: Symbol
    soulbound: bool
    metadata: Mode
    transfer: TransferRule = "free"
    max_supply: Count | None = None
    revision: Count = 1
    held: Annotated[tuple[HeldDays, ...], Meta(max_length=MAX_RULES)] = ()
    frozen: bool = False


class Supply(msgspec.Struct, frozen=True, gc=False):
    """How many tokens were ever minted, and how many of them were burned."""

    minted: Count = 0
    burned: Count = 0


class Look(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What the metadata and the picture of a revision are made of, and the triggers for which it has rules."""

    traits: Traits
    description: Description | None = None
    art: Art | None = None
    triggers: Annotated[tuple[TriggerKey, ...], Meta(max_length=MAX_RULES)] = ()


class EvolutionRule(msgspec.Struct, frozen=True, gc=False):
    """A rule: its place among all of the collection, its condition, and the traits that it sets."""

    place: RulePlace
    when: Source
    sets: Annotated[tuple[tuple[TraitName, Source], ...], Meta(max_length=MAX_SETS)]


class Token(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A token.

    Attributes:
        since: when its owner got it; a merge of accounts does not change that.
        version: how many versions it has had.
        hash: of its metadata; None while the document is elsewhere, and its brand has not said what it is.
        due: when its next evolution by time held falls due.
        frozen: by its brand's compliance.
    """

    owner: Address
    minted: TimeMs
    since: TimeMs
    traits: TraitPairs
    revision: Count
    hash: Hash | None
    version: Count = 1
    transfers: Count = 0
    uri: Uri | None = None
    due: TimeMs | None = None
    frozen: bool = False


class Cause(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Why there is a version: what has happened, the rules that applied, the event's name, the transaction."""

    kind: CauseKind
    rules: RulePlaces = ()
    event: Slug | None = None
    tx: Hash | None = None


class Version(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A version of a token. Sequence of it never changes."""

    height: Count
    time: TimeMs
    cause: Cause
    traits: TraitPairs
    hash: Hash | None


class Occasion(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What an account's tokens are to hear of: an event, or a change of tier, with the facts of its time.

    Attributes:
        facts: the variable `event`, as canonical bytes; empty without one.
        at: when it happened; tokens that the account has got since do not hear of it.
        after: the token that has heard of it last.
    """

    brand: Slug
    at: TimeMs
    event: Slug | None = None
    facts: Annotated[bytes, Meta(max_length=MAX_FACTS)] = b""
    tx: Hash | None = None
    after: tuple[Slug, Count] | None = None


class Waits(msgspec.Struct, frozen=True, gc=False):
    """The numbers of the occasions that wait: from `first` up to `next`, which is not one of them."""

    first: Count
    next: Count


class Refresh(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A collection's tokens are being brought to its revision; those up to `after` are."""

    after: Count | None = None


class Move(msgspec.Struct, frozen=True, gc=False):
    """A merged account's tokens are being moved to this one."""

    target: Address


COLLECTION: Final = ("collection", SLUG)
TOKEN: Final = ("token", NUMBER)
BRAND: Final = ("brand", SLUG)
ACCOUNT: Final = ("account", ADDRESS)

COLLECTIONS: Final[Table[Collection]] = Table(
    "nft/collection",
    (COLLECTION,),
    Collection,
    "what of a collection each operation needs",
    missing="no such collection",
    present="the collection exists",
)
COLLECTIONS_OF: Final[OrderedSet[str]] = OrderedSet("nft/collections-of", (BRAND,), Slug, "a brand's collections")
SUPPLIES: Final[Table[Supply]] = Table("nft/supply", (COLLECTION,), Supply, "tokens minted and burned")
LOOKS: Final[Table[Look]] = Table(
    "nft/look", (COLLECTION, ("revision", NUMBER)), Look, "what metadata of a revision is made of; never changed"
)
RULES: Final[Table[tuple[EvolutionRule, ...]]] = Table(
    "nft/rules",
    (COLLECTION, ("trigger", TEXT)),
    Annotated[tuple[EvolutionRule, ...], Meta(max_length=MAX_RULES_OF_TRIGGER)],
    "a trigger's rules in their order",
)
TOKENS: Final[Table[Token]] = Table(
    "nft/token", (COLLECTION, TOKEN), Token, "a living token", missing="no such token", present="the token exists"
)
HISTORY: Final[Sequence[Version]] = Sequence(
    "nft/history", (COLLECTION, TOKEN), Version, "a token's versions, those of a burned one too"
)
TOKENS_OF: Final[OrderedSet[int]] = OrderedSet(
    "nft/tokens-of", (COLLECTION,), Count, "a collection's living tokens"
)
OWNED: Final[OrderedSet[tuple[str, int]]] = OrderedSet(
    "nft/owned", (ACCOUNT,), tuple[Slug, Count], "an account's tokens"
)
MERGED: Final[OrderedSet[tuple[str, int]]] = OrderedSet(
    "nft/merged", (("source", ADDRESS),), tuple[Slug, Count], "tokens that a merge took from an account"
)
ON_EVENT: Final[OrderedSet[str]] = OrderedSet(
    "nft/on-event", (BRAND, ("event", SLUG)), Slug, "a brand's collections with rules of an event"
)
ON_TIER: Final[OrderedSet[str]] = OrderedSet(
    "nft/on-tier", (BRAND,), Slug, "a brand's collections with rules of a change of tier"
)
WAITS: Final[Table[Waits]] = Table(
    "nft/waits", (ACCOUNT,), Waits, "which occasions an account's tokens have still to hear of"
)
WAITING: Final[Table[Occasion]] = Table(
    "nft/waiting",
    (ACCOUNT, ("number", NUMBER)),
    Occasion,
    "an occasion, its facts, and who has heard of it",
)
REFRESHING: Final[Table[Refresh]] = Table(
    "nft/refreshing", (COLLECTION,), Refresh, "how far a collection's tokens are of its present revision"
)
MOVING: Final[Table[Move]] = Table(
    "nft/moving", (("source", ADDRESS),), Move, "whither the rest of a merged account's tokens move"
)
HELD_DUE: Final = Schedule("nft/held", (COLLECTION, TOKEN), "a token was held for the days of a rule")
WAITS_DUE: Final = Schedule("nft/hear", (ACCOUNT,), "an account's tokens are still to hear of something")
REFRESHES: Final = Schedule("nft/refresh", (COLLECTION,), "tokens that are not of their collection's revision yet")
MOVES: Final = Schedule("nft/move", (("source", ADDRESS),), "tokens of a merged account that have not moved yet")
