"""The views of brands' lists."""

from __future__ import annotations

from contracts_py.campaign.collections import shown
from contracts_py.campaign.list_answers import Answer, ItemShown, ListShown
from contracts_py.campaign.list_records import ITEMS, LIST_VERSIONS, LISTS, LISTS_OF, Item, Kind
from contracts_py.campaign.lists import definition_at, value_at
from vm.contract_api import (
    DEFAULT_PAGE,
    Context,
    Contract,
    Count,
    Cursor,
    Page,
    PageLimit,
    Refused,
    Slug,
    as_cursor,
    from_cursor,
    paged,
    view,
)


class ListViews(Contract):
    """The room in which lists are read."""

    name = "campaign"

    @view
    def collection(self, ctx: Context, brand: Slug, name: Slug) -> ListShown:
        """Return a collection."""
        return _of_kind(ctx, brand, name, "collection")

    @view
    def value_map(self, ctx: Context, brand: Slug, name: Slug) -> ListShown:
        """Return a value map."""
        return _of_kind(ctx, brand, name, "value_map")

    @view
    def lists(
        self, ctx: Context, brand: Slug, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[ListShown]:
        """Return a brand's lists by name."""
        return LISTS_OF.page(ctx, brand, cursor=cursor, limit=limit, show=lambda name: shown(ctx, brand, name))

    @view
    def list_items(
        self,
        ctx: Context,
        brand: Slug,
        name: Slug,
        draft: bool = False,
        cursor: Cursor | None = None,
        limit: PageLimit = DEFAULT_PAGE,
    ) -> Page[ItemShown]:
        """Return a list's items, or those of its draft, with their values, by item."""
        record = LISTS.require(ctx, brand, name)
        definition = record.draft if draft else definition_at(ctx, brand, name, None)
        if definition is None:
            raise Refused("NOT_FOUND", "nothing is there yet", brand=brand, name=name)
        start = None if cursor is None else from_cursor(ITEMS.item, cursor)
        present = (
            ItemShown(item, value)
            for item, turns in ITEMS.entries(ctx, brand, name, definition.generation, start=start)
            if item != start and (value := value_at(turns, None)) is not None
        )
        return paged(present, limit, lambda found: found, lambda _, last: as_cursor(last.item))

    @view
    def list_value(self, ctx: Context, brand: Slug, name: Slug, item: Item, version: Count | None = None) -> Answer:
        """Return what rules see of an item, now or at a version of the brand's lists.

        Of a collection of which only the root is here, that is nothing.
        """
        LISTS.require(ctx, brand, name)
        at = (LIST_VERSIONS.get(ctx, brand) or 0) if version is None else version
        definition = definition_at(ctx, brand, name, at)
        if definition is None:
            return Answer(item, at, None)
        return Answer(item, at, value_at(ITEMS.get(ctx, brand, name, definition.generation, item=item), at))


def _of_kind(ctx: Context, brand: str, name: str, kind: Kind) -> ListShown:
    found = shown(ctx, brand, name)
    if found.kind != kind:
        raise Refused("NOT_FOUND", f"the list is a {found.kind}", brand=brand, name=name)
    return found
