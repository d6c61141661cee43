"""No two declarations of the state share a key: `<path>/<n>` of the one may not be a record of the other."""

from __future__ import annotations

import importlib
import pkgutil
from itertools import combinations

import contracts_py
import vm
from vm.tables.table import Keys


def declared() -> list[str]:
    """Return the path of each declaration in the modules of the machine and the contracts."""
    found: dict[int, str] = {}
    for package in (vm, contracts_py):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for value in vars(importlib.import_module(module.name)).values():
                keys = getattr(value, "keys", None)
                if isinstance(keys, Keys):
                    found[id(value)] = keys.path
    return sorted(found.values())


def overlapping(paths: list[str]) -> list[tuple[str, str]]:
    """Return the pairs of which one is above the other, or the same."""
    return [(a, b) for a, b in combinations(sorted(paths), 2) if a == b or b.startswith(f"{a}/")]


def test_no_path_is_above_another() -> None:
    paths = declared()
    assert "chain/allowance" in paths
    assert overlapping(paths) == []


def test_two_paths_that_overlap_are_found() -> None:
    assert overlapping(["x/y", "x/yz", "x", "z", "z"]) == [("x", "x/y"), ("x", "x/yz"), ("z", "z")]
