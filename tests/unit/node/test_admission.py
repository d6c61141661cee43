"""How much the admission queue does before the event loop may turn."""

from __future__ import annotations

import pytest

from node.admission import SLICE, SLICE_BYTES, slices


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], []),
        ([300] * SLICE, [SLICE]),
        ([300] * (2 * SLICE + 1), [SLICE, SLICE, 1]),
        ([128 * 1024] * 3, [1, 1, 1]),
        ([1_200] * 48, [21, 21, 6]),
        ([300, SLICE_BYTES, 300], [2, 1]),
    ],
)
def test_slices_are_bounded_by_count_and_by_bytes(sizes: list[int], expected: list[int]):
    raws = [bytes(size) for size in sizes]
    found = list(slices(raws))
    assert [len(part) for part in found] == expected
    assert [raw for part in found for raw in part] == raws
