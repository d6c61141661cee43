"""Which engine opens a folder.

A folder says itself which engine wrote it: both write CURRENT, RocksDB alone writes IDENTITY and OPTIONS. A new
one gets the engine that node.toml names, or else the first of PREFERRED whose library this Python has. An engine's
library is imported when a database is first opened with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Final

from node.store.engine import Engine, EngineError, OpenEngine, WrongEngine


class EngineName(StrEnum):
    """An engine, as node.toml names it."""

    LEVELDB = "leveldb"
    ROCKSDB = "rocksdb"


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is told of an engine without its library.

    Attributes:
        title: its name in sentences.
        library: what has to be imported.
        unchanging: the suffix of its files that never change once they are written.
    """

    title: str
    library: str
    unchanging: str


_KINDS: Final = {
    EngineName.LEVELDB: _Kind("LevelDB", "plyvel", ".ldb"),
    EngineName.ROCKSDB: _Kind("RocksDB", "rocksdict", ".sst"),
}

PREFERRED: Final = (EngineName.LEVELDB, EngineName.ROCKSDB)
"""LevelDB costs less where plyvel can be installed (docs/decisions/store-engine.md)."""

_WAY_OUT: Final = (
    "to move the node, run `entente backup` with {there}, move HOME/data away, "
    "and run `entente restore` with {here}"
)


def engine_of(path: Path) -> EngineName | None:
    """Return the engine that wrote a folder, None where there is no database."""
    if not (path / "CURRENT").exists():
        return None
    by_rocksdb = (path / "IDENTITY").exists() or any(path.glob("OPTIONS-*"))
    return EngineName.ROCKSDB if by_rocksdb else EngineName.LEVELDB


@cache
def can_open(name: EngineName) -> bool:
    """Tell whether this Python has an engine's library."""
    try:
        import_module(_KINDS[name].library)
    except ImportError:
        return False
    return True


def unchanging_suffix(path: Path) -> str:
    """Return the suffix of those files of a database that never change once they are written."""
    return _KINDS[engine_of(path) or EngineName.LEVELDB].unchanging


def opener(wanted: str | None) -> OpenEngine:
    """Return what opens databases with the engine that wrote them, and makes new ones.

    Args:
        wanted: an `EngineName`; it makes the new ones, and must have written the others. None: any of those that
            this Python has.
    """
    named = None if wanted is None else EngineName(wanted)

    def open_database(path: str, *, create: bool, **sizes: int) -> Engine:
        name = _choose(Path(path), named)
        return _function_of(name)(path, create=create, **sizes)

    return open_database


def open_lenient(path: str, *, create: bool, **sizes: int) -> Engine:
    """Open a copy of a database whose log was refused, without what is damaged of it."""
    return _function_of(_choose(Path(path), None))(path, create=create, lenient=True, **sizes)


def _choose(path: Path, wanted: EngineName | None) -> EngineName:
    written = engine_of(path)
    if written is not None and wanted is not None and written is not wanted:
        raise WrongEngine(
            f"{path} was written by {_KINDS[written].title}, and store.engine in node.toml says {wanted}; name "
            f"{written} there, or {_WAY_OUT.format(there='that', here=f'{wanted} named')}"
        )
    name = written or wanted or _first_that_opens()
    if can_open(name):
        return name
    kind = _KINDS[name]
    if written is None:
        raise WrongEngine(f"store.engine in node.toml says {name}, and this Python has no {kind.library}")
    raise WrongEngine(
        f"{path} was written by {kind.title}, and this Python has no {kind.library} to open it; run the node with "
        f"a Python that has it, or {_WAY_OUT.format(there='that one', here='this one')}"
    )


def _first_that_opens() -> EngineName:
    for name in PREFERRED:
        if can_open(name):
            return name
    libraries = " nor ".join(_KINDS[name].library for name in PREFERRED)
    raise EngineError(f"this Python has neither {libraries}, and the node keeps its data by one of them")


def _function_of(name: EngineName) -> Callable[..., Engine]:
    if name is EngineName.LEVELDB:
        from node.store.leveldb import open_leveldb

        return open_leveldb
    from node.store.rocksdb import open_rocksdb

    return open_rocksdb


open_engine: Final = opener(None)
"""Opens what any engine of this Python wrote, and makes new databases with the first of them."""
