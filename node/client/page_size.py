"""How many items of a list to ask for at once, where a node may find a page too much work (OUT_OF_BUDGET)."""

from __future__ import annotations

from typing import Final

GROWTH: Final = 4
"""A page that was too much work is halved, and those after it grow by a quarter each."""


class PageSize:
    """The `limit` of the next page, between 1 and `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.limit = most

    def shrink(self) -> bool:
        """Ask for less; False where a single item was too much already."""
        if self.limit == 1:
            return False
        self.limit //= 2
        return True

    def grow(self) -> None:
        """Ask for more, after a page that was answered."""
        self.limit = min(self._most, self.limit + self.limit // GROWTH + 1)
