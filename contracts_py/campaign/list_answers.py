"""What calls and views answer about brands' lists."""

from __future__ import annotations

import msgspec

from contracts_py.campaign.list_records import Item, Kind, ListValue
from vm.contract_api import Count, Hash, Slug


class ListShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A list as it is at the head.

    Attributes:
        version: the brand's list version since which it is defined so; None: only a draft is there.
        size: its items now; of a rooted collection 0.
        draft: how many items the draft has; None: there is none.
    """

    brand: Slug
    name: Slug
    kind: Kind
    size: Count
    version: Count | None = None
    root: Hash | None = None
    draft: Count | None = None


class ItemShown(msgspec.Struct, frozen=True, gc=False):
    """An item and its value; of a collection true."""

    item: Item
    value: ListValue


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What rules get to see of one item: its value, or None where it is not in the list."""

    item: Item
    version: Count
    value: ListValue | None
