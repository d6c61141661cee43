"""No two declarations of the state share a key: `<path>/<n>` of the one may not be a record of the other."""

from __future__ import annotations

from itertools import combinations

from node.reference.state_layout import declarations


def overlapping(paths: list[str]) -> list[tuple[str, str]]:
    """Return the pairs of which one is above the other, or the same."""
    return [(a, b) for a, b in combinations(sorted(paths), 2) if a == b or b.startswith(f"{a}/")]


def test_no_path_is_above_another() -> None:
    paths = [declaration.keys.path for declaration in declarations()]
    assert "chain/allowance" in paths
    assert overlapping(paths) == []


def test_two_paths_that_overlap_are_found() -> None:
    assert overlapping(["x/y", "x/yz", "x", "z", "z"]) == [("x", "x/y"), ("x", "x/yz"), ("z", "z")]
