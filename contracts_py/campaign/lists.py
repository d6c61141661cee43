"""What rules ask of a brand's lists: `in_collection(name, item)` and `lookup(name, key, default)`, at any version.

A brand's lists have one version, the number of changes they have seen. A record notes the version at which it was
judged, and its replay or reversal asks as of that version: what a marketer changes later changes no past decision.

Invariants:
    1. `find(…, version=v)` answers the same for ever, whatever changes after version v.
    2. What is not published (a draft) is at no version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts_py.campaign.list_records import DEFINITIONS, ITEMS, LIST_VERSIONS, LISTS, Definition, Kind, Turn
from contracts_py.campaign.paths import MAX_PATH, item_leaf, root_above
from vm.contract_api import Context, Refused

Proofs = Mapping[str, Any]
"""Of rooted collections: name → item → path, as hex; from `event.attrs.proofs`, so of unknown form."""

_NO_PROOFS: Proofs = {}
_MAX_TEXT = 64
_WORDS: Mapping[Kind, str] = {"collection": "collection", "value_map": "value map"}
_HEX_DIGITS = frozenset("0123456789abcdef")


class Lists:
    """Answers from the state; the campaign contract's `Lookups`."""

    def version(self, ctx: Context, brand: str) -> int:
        """Return the present version of a brand's lists, for a record to note."""
        return LIST_VERSIONS.get(ctx, brand) or 0

    def exists(self, ctx: Context, brand: str, name: str, kind: Kind) -> bool:
        """Tell whether a list of this kind has been published, for the check of a rule that names it."""
        record = LISTS.get(ctx, brand, name)
        return record is not None and record.kind == kind and DEFINITIONS.length(ctx, brand, name) > 0

    def in_collection(
        self,
        ctx: Context,
        brand: str,
        name: str,
        item: Any,
        *,
        version: int | None = None,
        proofs: Proofs = _NO_PROOFS,
    ) -> bool:
        """Tell whether an item is in a collection.

        Args:
            version: of the brand's lists; None: the present one.
            proofs: what the till has brought for collections of which the state holds the root only.

        Raises:
            Refused: NOT_FOUND, the brand had no such collection at that version.
        """
        definition = _definition(ctx, brand, name, "collection", version)
        if type(item) is not str:
            return False
        if definition.root is not None:
            return _is_proved(ctx, definition.root, item, proofs.get(name))
        return self._value(ctx, brand, name, definition, item, version) is True

    def lookup(
        self, ctx: Context, brand: str, name: str, key: Any, default: Any, *, version: int | None = None
    ) -> Any:
        """Return what a value map has for a key, or the default.

        Raises:
            Refused: NOT_FOUND, the brand had no such value map at that version.
        """
        definition = _definition(ctx, brand, name, "value_map", version)
        if type(key) is not str:
            return default
        value = self._value(ctx, brand, name, definition, key, version)
        return default if value is None else value

    def _value(
        self, ctx: Context, brand: str, name: str, definition: Definition, item: str, version: int | None
    ) -> bool | int | str | None:
        if not 0 < len(item) <= _MAX_TEXT:
            return None  # no item is so long: none is looked for
        return value_at(ITEMS.get(ctx, brand, name, definition.generation, item=item), version)


def _definition(ctx: Context, brand: str, name: str, kind: Kind, version: int | None) -> Definition:
    record = LISTS.get(ctx, brand, name)
    found = None if record is None or record.kind != kind else definition_at(ctx, brand, name, version)
    if found is None:
        raise Refused("NOT_FOUND", f"no such {_WORDS[kind]}", brand=brand, name=name)
    return found


def definition_at(ctx: Context, brand: str, name: str, version: int | None) -> Definition | None:
    """Return the definition of a list in force at a version of the brand's lists, None before the first."""
    low, high, found = 0, DEFINITIONS.length(ctx, brand, name) - 1, None
    if high < 0:
        return None
    last = DEFINITIONS.at(ctx, brand, name, place=high)
    if version is None or last.since <= version:
        return last
    while low < high:
        middle = (low + high) // 2
        definition = DEFINITIONS.at(ctx, brand, name, place=middle)
        if definition.since <= version:
            found, low = definition, middle + 1
        else:
            high = middle
    return found


def value_at(turns: tuple[Turn, ...] | None, version: int | None) -> bool | int | str | None:
    """Return the value that an item had at a version, None where it was not there."""
    for turn in reversed(turns or ()):
        if version is None or turn.version <= version:
            return turn.value
    return None


def _is_proved(ctx: Context, root: str, item: str, proofs: Any) -> bool:
    """Tell whether the till has brought a path of an item; anything else than a list of hashes is none."""
    path = proofs.get(item) if isinstance(proofs, Mapping) else None
    if not isinstance(path, list | tuple) or len(path) > MAX_PATH or not all(_is_hash(part) for part in path):
        return False
    return root_above(ctx, item_leaf(item), path) == root


def _is_hash(part: Any) -> bool:
    return type(part) is str and len(part) == 64 and _HEX_DIGITS.issuperset(part)
