"""What the campaign contract keeps of brands' lists: collections of items, and tables of values."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from vm.contract_api import (
    NUMBER,
    SLUG,
    Count,
    Hash,
    Integer,
    Meta,
    OrderedMap,
    OrderedSet,
    Sequence,
    Slug,
    Table,
    text,
)

MAX_ITEMS_PER_CALL: Final = 1_000
"""Each costs some 220 units: a full call takes half of max_tx_cost. A list of 100,000 items is 100 calls."""

MAX_LIST_SIZE: Final = 1_000_000
"""Items of one list: ten times the range of a large grocer."""

MAX_DEFINITIONS: Final = 1_000
"""How often one list is defined anew: daily for almost three years. Then a new name is due."""

MAX_TURNS: Final = 16
"""How often one item's value may change within a definition. A list that turns more often is defined anew."""

MAX_LISTS: Final = 1_000
"""Lists of one brand."""

_TEXT_BYTES: Final = 64

Item = Annotated[str, text(1, _TEXT_BYTES), Meta(max_length=_TEXT_BYTES)]
"""A SKU, a category, a postcode: what people write, so not only ASCII."""

ListValue = bool | Integer | Annotated[str, text(0, _TEXT_BYTES), Meta(max_length=_TEXT_BYTES)]
Kind = Literal["collection", "value_map"]


class Definition(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a list is from a version on.

    Attributes:
        since: the brand's list version from which it counts; 0 of a draft.
        generation: under which number its items are stored.
        size: how many items it has now.
        root: of a collection whose items are not in the state.
    """

    since: Count
    generation: Count
    size: Count
    root: Hash | None = None


class ListRecord(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A list of a brand.

    Attributes:
        generations: how many have been numbered.
        draft: what is being prepared, and counts once it is published.
    """

    kind: Kind
    generations: Count
    draft: Definition | None = None


class Turn(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """From a version on an item has a value: of a collection true, where it is gone None."""

    version: Count
    value: ListValue | None


Turns = Annotated[tuple[Turn, ...], Meta(max_length=MAX_TURNS)]

_OF_BRAND: Final = ("brand", SLUG)
_NAME: Final = ("name", SLUG)

LIST_VERSIONS: Final[Table[int]] = Table(
    "campaign/list-version", (_OF_BRAND,), Count, "how many changes a brand's lists have seen"
)
LISTS: Final[Table[ListRecord]] = Table(
    "campaign/list",
    (_OF_BRAND, _NAME),
    ListRecord,
    "a collection or a value map",
    missing="no such list",
    present="the list exists",
)
LISTS_OF: Final[OrderedSet[str]] = OrderedSet("campaign/lists", (_OF_BRAND,), Slug, "a brand's lists")
DEFINITIONS: Final[Sequence[Definition]] = Sequence(
    "campaign/list-definition", (_OF_BRAND, _NAME), Definition, "what a list was from which version on"
)
ITEMS: Final[OrderedMap[str, tuple[Turn, ...]]] = OrderedMap(
    "campaign/list-item",
    (_OF_BRAND, _NAME, ("generation", NUMBER)),
    Item,
    Turns,
    "an item's values by version, of one definition of a list",
    page_items=32,  # an item with one turn has some 20 bytes where the bounds allow 1,300
)
