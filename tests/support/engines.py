"""Which engine keeps the data in tests.

`ENTENTE_ENGINE=rocksdb` (or `leveldb`) lets every test, and every process that a test starts, keep its data in that
engine. Without it they take what a new home takes, and the tests of the store run on each engine that this Python
has (`each_engine` in tests/unit/node/conftest.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from node.store import EngineName, engines
from node.store.engine import OpenEngine
from node.store.engines import can_open, opener

_named = os.environ.get("ENTENTE_ENGINE")

CHOSEN = EngineName(_named) if _named else None
"""The engine that ENTENTE_ENGINE names; None without."""

EACH = [
    pytest.param(
        name,
        id=str(name),
        marks=pytest.mark.skipif(not can_open(name), reason=f"this Python has no library for {name}"),
    )
    for name in ([CHOSEN] if CHOSEN else EngineName)
]
"""Parameters for a test that runs on each engine."""

OTHERS = [parameter for parameter in EACH if CHOSEN is None and parameter.values[0] != engines.PREFERRED[0]]
"""Parameters for a test that starts processes: what the others of its kind do not run on already."""


@contextmanager
def preferring(name: EngineName) -> Iterator[OpenEngine]:
    """Let new databases of this process be kept in an engine; yields what opens them."""
    former, engines.PREFERRED = engines.PREFERRED, (name,)
    try:
        yield opener(name)
    finally:
        engines.PREFERRED = former


def name_engine(home: Path, name: EngineName | None) -> None:
    """Name an engine in a home's node.toml, which names none."""
    if name is not None:
        with (home / "node.toml").open("a") as file:
            file.write(f'\n[store]\nengine = "{name}"\n')
