"""Pages of list views end by items and by bytes, and go on where they ended."""

import pytest

from tests.unit.vm.toy_ledger import Reader
from vm.contract_api import Count, OrderedSet, Refused, Sequence
from vm.params import Params
from vm.state_view import BlockOverlay
from vm.tables.page import MAX_PAGE_BYTES

QUEUE = Sequence("pages/queue", (), Count)
SET = OrderedSet("pages/set", (), Count, page_items=4)


@pytest.fixture(params=["sequence", "set"])
def numbers(request):
    """Return how to list 0 … 19, in pages."""
    overlay = BlockOverlay(Reader(Params()))
    for number in range(20):
        QUEUE.append(overlay, number)
        SET.add(overlay, item=number)
    listed = QUEUE if request.param == "sequence" else SET
    return lambda cursor, limit, show: listed.page(overlay, cursor=cursor, limit=limit, show=show)


def walk(numbers, limit, show=lambda number: number):
    pages, cursor = [], None
    while True:
        page = numbers(cursor, limit, show)
        pages.append(page.items)
        cursor = page.next
        if cursor is None:
            return pages


@pytest.mark.parametrize(("limit", "sizes"), [(8, [8, 8, 4]), (10, [10, 10]), (20, [20]), (1_000, [20])])
def test_a_page_ends_by_items(numbers, limit, sizes):
    pages = walk(numbers, limit)
    assert list(map(len, pages)) == sizes
    assert [item for items in pages for item in items] == list(range(20))


@pytest.mark.parametrize("size", [75_000, MAX_PAGE_BYTES // 2, 2 * MAX_PAGE_BYTES])
def test_a_page_ends_by_bytes_and_nothing_is_lost(numbers, size):
    pages = walk(numbers, 1_000, lambda number: f"{number:>{size}}")
    assert [int(item) for items in pages for item in items] == list(range(20))
    assert all(sum(map(len, items)) < MAX_PAGE_BYTES + size for items in pages)
    assert len(pages) > 1


def test_what_a_page_leaves_is_not_shown(numbers):
    shown = []

    def show(number):
        shown.append(number)
        return "x" * (MAX_PAGE_BYTES // 2)

    assert len(numbers(None, 1_000, show).items) == len(shown) == 2


CURSORS = ["1_0", "0x1", "\u0661", "+1", " 1", "1 ", "-1", "1.0", "9" * 16, "c4", "zz", "cd0005", "05 ", "C0"]


@pytest.mark.parametrize("cursor", CURSORS)
def test_only_a_canonical_cursor_is_taken(numbers, cursor):
    with pytest.raises(Refused) as refused:
        numbers(cursor, 10, str)
    assert (refused.value.code, refused.value.details["field"]) == ("INVALID_ARGS", "cursor")


def test_a_place_has_one_cursor():
    with pytest.raises(Refused, match="cursor"):
        QUEUE.page(BlockOverlay(Reader(Params())), cursor="01", limit=10)
