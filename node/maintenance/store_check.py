"""`entente node check`: is what a stopped node holds whole, and if not, from which height on?

It does what a restore does with a backup (node/maintenance/restore.py), in place and writing nothing:

1. Opening compares the checksums of the database's log.
2. Every height is verified from the genesis document to the head; heads and indexes are compared.
3. The state root is computed from all values; logs of once-records, history and replay ids must lead to it.
4. Every record is read once, so that every checksum is compared.

The first fault found is told. A store that is whole loses the note of damage that a running node may have left,
as a fault of the machine's memory passes and a rotten disk does not.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from genesis.document import Genesis
from node.maintenance.restore import FOREIGN_FAULTS, chain_in
from node.maintenance.restored_chain import RestoredChain
from node.runtime.errors import ConfigError
from node.store import Store, StoreCorrupt, StoreError, StoreFailure, StoreOptions, StoreRebuild
from node.store.damage_note import DamageNote
from node.store.database import RESTORE_BUFFER_BYTES, RESTORE_CACHE_BYTES, Database
from node.store.engines import open_lenient, unchanging_suffix
from node.store.in_place import InPlace
from node.store.layout import (
    BLOCK,
    CERTIFICATE,
    HEAD,
    HEADER,
    META_KEYS,
    OLDEST_BLOCK_KEY,
    RECEIPTS,
    Meta,
    at_height,
    number,
)

LOOKED_AHEAD = 10_000
"""Heights that are read one by one where a table is damaged; a table of 16 MiB has fewer, empty blocks apart."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check has found.

    Attributes:
        height: the head that the store names; None where it cannot be read.
        verified: the last height of those, from the first on, that are whole.
        first_bad_height: the first that is not; None where all are, or the damage belongs to no height.
        problem: what is wrong, in a sentence; None where all is well.
    """

    height: int | None
    verified: int
    first_bad_height: int | None
    problem: str | None


def check_store(home: Path, genesis: Genesis) -> Checked:
    """Check <home>/data, which no process may have open.

    Raises:
        ConfigError: there is no store, or a node runs with it, or it is of another chain.
    """
    path = home / "data"
    if not (path / "CURRENT").exists():
        raise ConfigError(f"{home} holds no data")
    try:
        database = InPlace(path)
    except StoreCorrupt as error:
        lost = _first_lost(path)
        return Checked(None, max(0, (lost or 0) - 1), lost, str(error))
    except StoreFailure as error:
        raise ConfigError(str(error)) from None
    try:
        checked = _check(StoreRebuild(database, genesis.document.state_depth), genesis)
    finally:
        database.close()
    if checked.problem is None:
        DamageNote(path).delete()
        checked = _opens(path, checked)
    return checked


def _first_lost(path: Path) -> int | None:
    """Return the first height that is not in a store whose log is refused; None where nothing can be read.

    A copy is opened without the records that are damaged. Tables never change, so that the copy links to them.
    """
    suffix = unchanging_suffix(path)
    with tempfile.TemporaryDirectory(prefix="data.checking-", dir=path.parent) as folder:
        for file in path.iterdir():
            if file.suffix == suffix:
                os.link(file, Path(folder) / file.name)
            elif file.is_file():
                shutil.copyfile(file, Path(folder) / file.name)
        try:
            copy = Database(folder, RESTORE_CACHE_BYTES, RESTORE_BUFFER_BYTES, create=False, engine=open_lenient)
        except StoreError:
            return None
        try:
            return _first_missing(copy)
        except StoreError:
            return None
        finally:
            copy.close()


def _first_missing(database: Database) -> int:
    """Return the first height without a head: 0 where genesis is lost, the one after the last where none is."""
    if database.get(at_height(HEAD, 0)) is None:
        return 0
    expected = int.from_bytes(database.get(OLDEST_BLOCK_KEY) or number(1), "big")
    for key, _ in database.scan(at_height(HEAD, expected), bytes([HEAD[0] + 1]), once=True):
        if key != at_height(HEAD, expected):
            break
        expected += 1
    return expected


def _opens(path: Path, checked: Checked) -> Checked:
    """Return what was checked, and also that the store opens as a node opens it."""
    try:
        Store.open(path, StoreOptions(state_history_blocks=None)).close()
    except StoreCorrupt as error:
        return Checked(checked.height, checked.verified, None, str(error))
    return checked


def _check(rebuild: StoreRebuild, genesis: Genesis) -> Checked:
    chain: RestoredChain | None = None
    walked = False
    height: int | None = None
    try:
        meta = Meta.read({key: value for key in META_KEYS if (value := rebuild.database.get(key)) is not None})
        height = meta.head.height
        if meta.genesis != genesis.canonical:
            raise ConfigError("the store holds another chain than genesis.json")
        chain = chain_in(rebuild, genesis)
        head = chain.walk().head
        walked = True
        if head != meta.head:
            lost = head.height + 1 if head.height < height else None
            problem = f"the chain ends at height {head.height}; the store names {height} as its head"
            return Checked(height, head.height, lost, problem)
        _check_state(rebuild, meta)
        _read_everything(rebuild.database)
    except FOREIGN_FAULTS as error:
        verified = 0 if chain is None else chain.height
        bad = None if chain is None or walked else _first_unreadable(rebuild.database, verified + 1, height or 0)
        return Checked(height, (bad or verified + 1) - 1, bad, str(error))
    return Checked(height, height, None, None)


def _check_state(rebuild: StoreRebuild, meta: Meta) -> None:
    """Require that the state is the head's, and that what goes with it leads there.

    Raises:
        StoreCorrupt: it does not.
    """
    if rebuild.state.build_tree() != meta.head.state_root:
        raise StoreCorrupt("the values do not have the head's state root")
    rebuild.state.rebuild_once()
    rebuild.state.verify_history(rebuild.certified_root, meta.history_floor, meta.head.height)
    rebuild.state.verify_replay_ids(meta.head.height)


def _read_everything(database: Database) -> None:
    with database.snapshot() as records:
        for _ in records:
            pass


def _first_unreadable(database: Database, first: int, head: int) -> int:
    """Return the first height from `first` on whose records cannot all be read.

    A scan that meets a damaged table has read ahead of the height that it was at.
    """
    for height in range(first, min(head, first + LOOKED_AHEAD) + 1):
        try:
            body = database.get(at_height(BLOCK, height)) or database.get(at_height(HEADER, height))
            rest = database.get(at_height(CERTIFICATE, height))
            database.get(at_height(RECEIPTS, height))
        except StoreCorrupt:
            return height
        if body is None or rest is None:
            return height
    return first
