"""Pages of list views end by items and by bytes, and go on where they ended."""

import pytest

from contracts_py.sequences import tuple_page
from vm.contract_api import MAX_PAGE_BYTES, Refused, page


def walk(values, limit):
    pages, cursor = [], None
    while True:
        answer = tuple_page(values, cursor, limit, lambda value: value)
        pages.append(answer["items"])
        cursor = answer["next"]
        if cursor is None:
            return pages


def test_a_page_ends_by_items():
    values = [str(place) for place in range(10)]
    assert list(map(len, walk(values, 4))) == [4, 4, 2]


@pytest.mark.parametrize("size", [75_000, MAX_PAGE_BYTES // 2, 2 * MAX_PAGE_BYTES])
def test_a_page_ends_by_bytes_and_nothing_is_lost(size):
    values = [f"{place:>{size}}" for place in range(20)]
    pages = walk(values, 1_000)
    assert [item for items in pages for item in items] == values
    assert all(sum(map(len, items)) < MAX_PAGE_BYTES + size for items in pages)


def test_what_a_page_leaves_is_not_read():
    shown = []

    def show(place):
        shown.append(place)
        return "x" * (MAX_PAGE_BYTES // 2)

    answer = page(0, 1_000, 1_000, show)
    assert answer["next"] == str(len(shown))
    assert len(shown) == 2


@pytest.mark.parametrize("cursor", ["01", "1_0", "0x1", "\u0661", "+1", " 1", "1 ", "-1", "1.0", "9" * 16])
def test_only_a_canonical_cursor_is_taken(cursor):
    with pytest.raises(Refused) as refused:
        tuple_page(["a"] * 20, cursor, 10, str)
    assert (refused.value.code, refused.value.details["field"]) == ("INVALID_ARGS", "cursor")
