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
from _pytest.mark import ParameterSet

from node.store import EngineName, engines
from node.store.engine import OpenEngine
from node.store.engines import can_open, opener

_named = os.environ.get("ENTENTE_ENGINE")

CHOSEN = EngineName(_named) if _named else None
"""The engine that ENTENTE_ENGINE names; None without."""


def _parameter(name: EngineName, *values: object) -> ParameterSet:
    skip = pytest.mark.skipif(not can_open(name), reason=f"this Python has no library for {name}")
    return pytest.param(name, *values, id=str(name), marks=skip)


EACH = [_parameter(name) for name in ([CHOSEN] if CHOSEN else EngineName)]
"""Parameters for a test that runs on each engine."""


def on_each_engine(*values: object) -> list[ParameterSet]:
    """Return parameters for a test that starts processes: an engine, and one of two values.

    The first value goes with the engine of all other tests, which is None, or ENTENTE_ENGINE's. The last one goes
    with every engine that a new home does not take.
    """
    first = pytest.param(CHOSEN, *values[:1], id=str(CHOSEN or "default"))
    usual = next(name for name in engines.PREFERRED if can_open(name))
    others = [name for name in EngineName if CHOSEN is None and name is not usual]
    return [first, *(_parameter(name, *values[-1:]) for name in others)]


@contextmanager
def preferring(name: EngineName) -> Iterator[OpenEngine]:
    """Let new databases of this process be kept in an engine; yields what opens them."""
    former, engines.PREFERRED = engines.PREFERRED, (name,)
    try:
        yield opener(name)
    finally:
        engines.PREFERRED = former


def name_engine(home: Path, name: EngineName | None, index: str = "full") -> None:
    """Name an engine, and what is indexed, in a home's node.toml, which names none."""
    lines = [f'engine = "{name}"'] if name is not None else []
    lines += [f'index = "{index}"'] if index != "full" else []
    if lines:
        with (home / "node.toml").open("a") as file:
            file.write("\n".join(["", "[store]", *lines, ""]))
