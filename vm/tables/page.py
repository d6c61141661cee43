"""Pages of lists, as views answer them: some items, and a cursor that is opaque to clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from msgspec import Meta, MsgspecError

from vm.arguments.rules import code, refuse
from vm.primitives.codec import encode
from vm.tables.stored import Stored

I = TypeVar("I")  # noqa: E741 (an item)
S = TypeVar("S")

MAX_PAGE_BYTES: Final = 1024 * 1024
"""Items of one page as encoded; a page of proposals of this size takes a node some 70 ms."""

Cursor = Annotated[str, code(600), Meta(max_length=600)]
"""Where a page goes on: what an earlier one has answered as `next`."""

PageLimit = Annotated[int, Meta(ge=1, le=1_000)]
DEFAULT_PAGE: Final = 100


class Page(msgspec.Struct, Generic[S], frozen=True):
    """Some items of a list, and where the next page begins; null at the end."""

    items: list[S]
    next: str | None


def paged(items: Iterator[I], limit: int, show: Callable[[I], S], cursor: Callable[[int, I], str]) -> Page[S]:
    """Return a page of the first items.

    It ends after `limit` items, or with the one that fills MAX_PAGE_BYTES; so it has at least one where there
    is one, and is at most one item longer than the bytes allow.

    Args:
        cursor: (how many items the page has, the last of them) → where the next page begins.
    """
    shown: list[S] = []
    size = 0
    last: Any = None
    for item in items:
        if len(shown) == limit or size >= MAX_PAGE_BYTES:
            return Page(shown, cursor(len(shown), last))
        value = show(item)
        shown.append(value)
        size += len(encode(value))
        last = item
    return Page(shown, None)


def as_cursor(item: Any) -> str:
    """Return the cursor of a page whose last item this is."""
    return encode(item).hex()


def from_cursor(stored: Stored[I], cursor: str) -> I:
    """Return the item of which `as_cursor` has made a cursor.

    Raises:
        Refused: INVALID_ARGS, the cursor is not one of ours.
    """
    try:
        item: I = stored.decode(bytes.fromhex(cursor))
    except (ValueError, MsgspecError):
        refuse("cursor", "a cursor that an earlier page has answered")
    if as_cursor(item) != cursor:
        refuse("cursor", "a cursor that an earlier page has answered")
    return item


def as_it_is(item: Any) -> Any:
    """Show an item as it is stored."""
    return item
