"""Pages of views: {items, next}, with a cursor that is opaque to clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

from vm.contract_api import Meta, Page, code

I = TypeVar("I")  # noqa: E741 (an item)

Cursor = Annotated[str, code(600), Meta(max_length=600)]
"""Where a page goes on: what an earlier one has answered as `next`."""

PageLimit = Annotated[int, Meta(ge=1, le=1_000)]
DEFAULT_PAGE: Final = 100


def shown(page: Page[I], show: Callable[[I], Any]) -> dict[str, Any]:
    """Return a page as a view answers it; `next` is null on the last one."""
    return {"items": [show(item) for item in page.items], "next": page.next}
