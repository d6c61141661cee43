"""Collections and value maps of a brand: defined, changed in parts, prepared as drafts, and shown.

A list is defined by `collection` or `value_map`, which replaces what it was. Where the items of one definition
exceed one transaction, the marketer defines a draft, adds to it over any number of calls, and publishes it: rules
see all of it at once or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from msgspec.structs import replace

from contracts_py.campaign.list_answers import ListShown
from contracts_py.campaign.list_events import ListChanged, ListDefined
from contracts_py.campaign.list_records import (
    DEFINITIONS,
    ITEMS,
    LIST_VERSIONS,
    LISTS,
    LISTS_OF,
    MAX_DEFINITIONS,
    MAX_ITEMS_PER_CALL,
    MAX_LIST_SIZE,
    MAX_LISTS,
    MAX_TURNS,
    Definition,
    Item,
    Kind,
    ListRecord,
    ListValue,
    Turn,
)
from contracts_py.campaign.lists import value_at
from contracts_py.identity import Authority
from vm.contract_api import Context, Contract, Hash, Meta, Refused, Slug, call, refuse

Items = Annotated[tuple[Item, ...], Meta(max_length=MAX_ITEMS_PER_CALL)]
Entries = Annotated[dict[Item, ListValue], Meta(max_length=MAX_ITEMS_PER_CALL)]
SomeItems = Annotated[tuple[Item, ...], Meta(min_length=1, max_length=MAX_ITEMS_PER_CALL)]

Changes = Iterable[tuple[str, bool | int | str | None]]
"""Items with their new values; None: the item goes."""


class Collections(Contract):
    """The room in which lists are made and changed."""

    name = "campaign"

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    @call
    def collection(
        self,
        ctx: Context,
        name: Slug,
        brand: Slug,
        root: Hash | None = None,
        items: Items | None = None,
        draft: bool = False,
    ) -> ListShown:
        """Define a collection by its items, or by the root over them (marketer); it replaces what it was."""
        if (root is None) == (items is None):
            refuse("items", "the items, or in their place a root")
        if root is not None and draft:
            refuse("draft", "false, as a root is whole at once")
        return self._define(ctx, name, brand, "collection", _all_true(items or ()), root=root, draft=draft)

    @call
    def value_map(self, ctx: Context, name: Slug, brand: Slug, entries: Entries, draft: bool = False) -> ListShown:
        """Define a value map by its entries (marketer); it replaces what it was."""
        return self._define(ctx, name, brand, "value_map", _sorted(entries), draft=draft)

    @call
    def collection_add(self, ctx: Context, name: Slug, brand: Slug, items: SomeItems) -> ListShown:
        """Add items to a collection, or to its draft where there is one (marketer)."""
        return self._change(ctx, name, brand, "collection", _all_true(items))

    @call
    def collection_remove(self, ctx: Context, name: Slug, brand: Slug, items: SomeItems) -> ListShown:
        """Remove items from a collection, or from its draft where there is one (marketer)."""
        return self._change(ctx, name, brand, "collection", [(item, None) for item in sorted(set(items))])

    @call
    def value_map_set(self, ctx: Context, name: Slug, brand: Slug, entries: Entries) -> ListShown:
        """Set entries of a value map, or of its draft where there is one (marketer)."""
        return self._change(ctx, name, brand, "value_map", _sorted(entries))

    @call
    def value_map_remove(self, ctx: Context, name: Slug, brand: Slug, keys: SomeItems) -> ListShown:
        """Remove entries of a value map, or of its draft where there is one (marketer)."""
        return self._change(ctx, name, brand, "value_map", [(key, None) for key in sorted(set(keys))])

    @call
    def list_publish(self, ctx: Context, name: Slug, brand: Slug) -> ListShown:
        """Let a list's draft take the place of what it was (marketer)."""
        record = self._own(ctx, name, brand)
        if record.draft is None:
            raise Refused("NOT_FOUND", "the list has no draft", brand=brand, name=name)
        LISTS.put(ctx, replace(record, draft=None), brand, name)
        return self._publish(ctx, name, brand, record.kind, record.draft)

    @call
    def list_discard(self, ctx: Context, name: Slug, brand: Slug) -> ListShown:
        """Give a list's draft up (marketer)."""
        record = self._own(ctx, name, brand)
        if record.draft is None:
            raise Refused("NOT_FOUND", "the list has no draft", brand=brand, name=name)
        LISTS.put(ctx, replace(record, draft=None), brand, name)
        return shown(ctx, brand, name)

    def _own(self, ctx: Context, name: str, brand: str, kind: Kind | None = None) -> ListRecord:
        """Return a list's record after checking that the signers may change it, and that it is of the kind."""
        self._authority.require_active(ctx, brand)
        self._authority.require_role(ctx, brand, "marketer")
        record = LISTS.require(ctx, brand, name)
        if kind is not None and record.kind != kind:
            raise Refused("NOT_ELIGIBLE", f"the list is a {record.kind}", brand=brand, name=name)
        return record

    def _define(
        self,
        ctx: Context,
        name: str,
        brand: str,
        kind: Kind,
        values: Changes,
        *,
        root: str | None = None,
        draft: bool,
    ) -> ListShown:
        self._authority.require_active(ctx, brand)
        self._authority.require_role(ctx, brand, "marketer")
        record = LISTS.get(ctx, brand, name)
        if record is None:
            record = self._new(ctx, brand, name, kind)
        elif record.kind != kind:
            raise Refused("ALREADY_EXISTS", f"the name is a {record.kind}'s", brand=brand, name=name)
        definition = Definition(0, record.generations, 0, root)
        size = _write(ctx, brand, name, definition, 0, values)
        definition = replace(definition, size=size)
        following = ListRecord(kind, record.generations + 1, definition if draft else None)
        LISTS.put(ctx, following, brand, name)
        if not draft:
            return self._publish(ctx, name, brand, kind, definition)
        ctx.emit(ListDefined(brand, name, kind, size))
        return shown(ctx, brand, name)

    def _new(self, ctx: Context, brand: str, name: str, kind: Kind) -> ListRecord:
        if sum(1 for _ in LISTS_OF.iterate(ctx, brand)) >= MAX_LISTS:
            raise Refused("LIMIT_EXCEEDED", "the brand has too many lists", brand=brand, limit=MAX_LISTS)
        LISTS_OF.add(ctx, brand, item=name)
        return ListRecord(kind, 0)

    def _publish(self, ctx: Context, name: str, brand: str, kind: Kind, definition: Definition) -> ListShown:
        if DEFINITIONS.length(ctx, brand, name) >= MAX_DEFINITIONS:
            raise Refused(
                "LIMIT_EXCEEDED", "the list was defined too often: choose a new name", limit=MAX_DEFINITIONS
            )
        version = _next_version(ctx, brand)
        DEFINITIONS.append(ctx, replace(definition, since=version), brand, name)
        ctx.emit(ListDefined(brand, name, kind, definition.size, definition.root, version))
        return shown(ctx, brand, name)

    def _change(self, ctx: Context, name: str, brand: str, kind: Kind, values: Changes) -> ListShown:
        record = self._own(ctx, name, brand, kind)
        if record.draft is not None:
            base, version = record.draft, None
        else:
            base = DEFINITIONS.at(ctx, brand, name, place=DEFINITIONS.length(ctx, brand, name) - 1)
            version = _next_version(ctx, brand)
        if base.root is not None:
            raise Refused("NOT_ELIGIBLE", "only the root of the collection is here: define it anew", name=name)
        values = list(values)
        size = _write(ctx, brand, name, base, version or 0, values)
        changed = replace(base, size=size)
        if version is None:
            LISTS.put(ctx, replace(record, draft=changed), brand, name)
        else:
            DEFINITIONS.replace_last(ctx, changed, brand, name)
        removed = sum(1 for _, value in values if value is None)
        ctx.emit(ListChanged(brand, name, len(values) - removed, removed, size, version))
        return shown(ctx, brand, name)


def _all_true(items: Iterable[str]) -> list[tuple[str, bool]]:
    return [(item, True) for item in sorted(set(items))]


def _sorted(entries: Mapping[str, bool | int | str]) -> list[tuple[str, bool | int | str]]:
    return sorted(entries.items(), key=lambda entry: entry[0])


def _next_version(ctx: Context, brand: str) -> int:
    version = (LIST_VERSIONS.get(ctx, brand) or 0) + 1
    LIST_VERSIONS.put(ctx, version, brand)
    return version


def _write(ctx: Context, brand: str, name: str, definition: Definition, version: int, values: Changes) -> int:
    """Set items of a definition from a version on, 0 in what is not published; return how many it has then.

    What an item was at earlier versions stays beside its new value. A draft has none: there the value is replaced.
    """
    size, key = definition.size, (brand, name, definition.generation)
    for item, value in values:
        turns = ITEMS.get(ctx, *key, item=item) or ()
        before = value_at(turns, None)
        if before == value and type(before) is type(value):
            continue
        size += (before is None) - (value is None)
        kept = turns if version else ()
        if len(kept) >= MAX_TURNS:
            raise Refused("LIMIT_EXCEEDED", "the item has turned too often: define the list anew", item=item)
        if value is None and not kept:
            ITEMS.change(ctx, [(item, None)], *key)
        else:
            ITEMS.put(ctx, (*kept, Turn(version, value)), *key, item=item)
    if size > MAX_LIST_SIZE:
        raise Refused("LIMIT_EXCEEDED", "the list is too long", name=name, limit=MAX_LIST_SIZE)
    return size


def shown(ctx: Context, brand: str, name: str) -> ListShown:
    """Return a list as it is at the head."""
    record = LISTS.require(ctx, brand, name)
    draft = None if record.draft is None else record.draft.size
    length = DEFINITIONS.length(ctx, brand, name)
    if not length:
        return ListShown(brand, name, record.kind, 0, draft=draft)
    last = DEFINITIONS.at(ctx, brand, name, place=length - 1)
    return ListShown(brand, name, record.kind, last.size, last.since, last.root, draft)
