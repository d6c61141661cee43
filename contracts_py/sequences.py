"""Append-only lists in the state, and pages of them.

A list at key `<prefix>` keeps its length there and its items at `<prefix>/0`, `<prefix>/1`, …, so that
appending writes two keys however long the list is, and a page reads only what it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from vm.contract_api import Context, InvariantBroken, Meta, code, page, place_of

Cursor = Annotated[str, code(32)]
"""Where a page begins: opaque to clients, the decimal place of its first item to us."""

PageLimit = Annotated[int, Meta(ge=1, le=1_000)]
DEFAULT_PAGE = 100


def append(ctx: Context, prefix: str, item: str) -> None:
    """Put `item` at the end of the list."""
    count = length(ctx, prefix)
    ctx.put(f"{prefix}/{count}", item)
    ctx.put(prefix, count + 1)


def length(ctx: Context, prefix: str) -> int:
    """Return how many items the list has."""
    return ctx.get(prefix, int) or 0


def item_at(ctx: Context, prefix: str, place: int) -> str:
    """Return one item of the list; `place` is below its length."""
    item = ctx.get(f"{prefix}/{place}", str)
    if item is None:
        raise InvariantBroken(f"the list {prefix} has no item {place}")
    return item


def list_page(
    ctx: Context, prefix: str, cursor: str | None, limit: int, show: Callable[[str], Any]
) -> dict[str, Any]:
    """Return {items, next} of a list in the state; `next` is null on the last page.

    Raises:
        Refused: INVALID_ARGS, the cursor is not one of ours.
    """
    count = length(ctx, prefix)
    start = _start(cursor)
    return page(start, count, limit, lambda place: show(item_at(ctx, prefix, place)))


def tuple_page(values: Sequence[str], cursor: str | None, limit: int, show: Callable[[str], Any]) -> dict[str, Any]:
    """Return {items, next} of values that are at hand; like `list_page`."""
    start = _start(cursor)
    return page(start, len(values), limit, lambda place: show(values[place]))


def _start(cursor: str | None) -> int:
    return 0 if cursor is None else place_of(cursor)
