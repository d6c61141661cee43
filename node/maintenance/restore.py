"""From a backup to a node's data folder: nothing in the file is trusted.

    file → primary records → a new database → verified → derived records → head → renamed to <home>/data

Only the primary families are read (node/store/layout.py); a key of an unknown family is refused. Then, in order:

1. The state root, computed from all values, is that of the head (node/store/rebuild.py).
2. Every height follows from the genesis document to the head: headers, validator sets, seals, transactions and
   receipts (node/maintenance/restored_chain.py). The last one is the head that the file names.
3. The history leads back to the certified state roots; the replay ids are those that the state commits to.
4. Everything else, indexes, heads, tree pages and meta data, is written from what 1 to 3 have verified.

docs/operations-recovery.md has the table of families. One thing no backup can prove: that the validator has signed
nothing since. So a restored validator recovers.

Invariants:
    1. What is written follows from the genesis document, but for the number of heights that are kept, and `signed`.
    2. The file may inflate without end: this process uses bounded memory, and leaves the disk its reserve.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from consensus.trust import NotCertified
from genesis.document import Genesis
from genesis.durable_files import make_private_folder
from genesis.protocol import build_runtime
from node.maintenance.backup import BackupError, BackupReader, Entries, Manifest
from node.maintenance.restored_chain import RestoredChain
from node.runtime.config import NodeConfig
from node.runtime.disk_space import MEBIBYTE, DiskFull, DiskSpace
from node.runtime.files import SYSTEM_FILES, rename_durably
from node.store import LogMark, Store, StoreCorrupt, StoreError, StoreOptions, StoreRebuild, opener, write_database
from node.store.layout import DERIVED, META_KEYS, PRIMARY, Meta
from node.votes.write_ahead_log import WriteAheadLog
from vm.errors import VmError
from vm.state_tree import StateTree
from vm.transaction import TransactionError

FREE_MIB: Final = NodeConfig().min_free_disk_mib
"""What stays free where nobody says otherwise."""

FOREIGN_FAULTS: Final = (
    StoreCorrupt,
    NotCertified,
    TransactionError,
    VmError,
    msgspec.MsgspecError,
    ValueError,
)
"""What verifying raises for records that are not what the chain led to."""


def restore_backup(
    file: Path, home: Path, genesis: Genesis, free_mib: int = FREE_MIB, engine: str | None = None
) -> Manifest:
    """Restore a backup into <home>/data, which must not exist, and let the validator recover.

    Args:
        free_mib: what the disk must keep free meanwhile.
        engine: an `EngineName`, keeps the data; None: the one that a new node gets.

    Raises:
        BackupError: the file is damaged, does not follow from the genesis document, or is too large for the disk.
        StoreError, WriteAheadLogError, OSError: the disk refuses.
    """
    data = home / "data"
    if data.exists():
        raise BackupError(f"{data} exists already: move it away first")
    beside = home / "data.restoring"
    reader = BackupReader(file)
    try:
        manifest = reader.manifest
        if manifest.genesis != genesis.digest:
            raise BackupError(f"{file} is of {manifest.chain}, not of {genesis.chain}")
        make_private_folder(home)
        shutil.rmtree(beside, ignore_errors=True)
        taken = _Taken(file, DiskSpace(home, free_mib), file.stat().st_size)
        write_database(beside, taken.primary(reader.entries()), opener(engine))
        _rebuild(beside, genesis, manifest, taken.meta)
        mark = _mark_recovering(home / "wal", max(manifest.signed, manifest.height + 1))
        _note_log(beside, mark)
        rename_durably(SYSTEM_FILES, beside, data)
    finally:
        reader.close()
        shutil.rmtree(beside, ignore_errors=True)
    return manifest


class _Taken:
    """Takes the primary records out of a backup while the disk has room; `meta` are the meta data, aside."""

    def __init__(self, file: Path, disk: DiskSpace, file_bytes: int) -> None:
        self._file = file
        self._disk = disk
        self.meta: dict[bytes, bytes] = {}
        free = disk.spare_bytes
        if free < file_bytes:
            raise BackupError(
                f"the disk has {max(0, free) // MEBIBYTE} MiB for {file}, which needs more than its size"
            )

    def primary(self, chunks: Iterator[Entries]) -> Iterator[Entries]:
        """Yield the records to write.

        Raises:
            BackupError: a record is of no known family, or the disk is nearly full.
        """
        for entries in chunks:
            try:
                self._disk.check()
            except DiskFull as error:
                raise BackupError(f"{self._file} is not restored: {error}") from None
            yield [entry for entry in entries if self._is_taken(*entry)]

    def _is_taken(self, key: bytes, value: bytes) -> bool:
        family = key[:1]
        if family == b"m":
            if key not in META_KEYS:
                raise BackupError(f"{self._file} cannot be used: {key[:40]!r} is no meta data of a store")
            self.meta[key] = value
            return False
        if family not in PRIMARY and family not in DERIVED:
            raise BackupError(f"{self._file} cannot be used: a store has no records {key[:40]!r}")
        return family in PRIMARY


def _rebuild(path: Path, genesis: Genesis, manifest: Manifest, meta: dict[bytes, bytes]) -> None:
    """Verify what has been written, and make it a store.

    Raises:
        BackupError: something does not follow from the genesis document.
        StoreError: the disk refuses.
    """
    rebuild = StoreRebuild.open(path, genesis.document.state_depth)
    try:
        claimed = Meta.read(meta)
        _require(claimed.genesis == genesis.canonical, "it holds another genesis document")
        said = (manifest.height, manifest.digest, manifest.state_root)
        head = claimed.head
        _require((head.height, head.digest, head.state_root) == said, "its head is not what it says")
        _require(rebuild.state.build_tree() == head.state_root, "its values do not give the head's state root")
        rebuild.state.rebuild_once()
        chain = chain_in(rebuild, genesis).walk()
        _require(chain.head == head, "its blocks do not lead to its head")
        _require(claimed.history_floor <= head.height, "its history begins above its head")
        rebuild.state.verify_history(rebuild.certified_root, claimed.history_floor, head.height)
        rebuild.state.verify_replay_ids(head.height)
        rebuild.finish(msgspec.structs.replace(claimed, oldest_block=chain.oldest_block))
    except FOREIGN_FAULTS as error:
        raise BackupError(f"the backup cannot be used: {error}") from None
    finally:
        rebuild.close()


def _require(condition: bool, complaint: str) -> None:
    if not condition:
        raise BackupError(f"the backup cannot be used: {complaint}")


def chain_in(rebuild: StoreRebuild, genesis: Genesis) -> RestoredChain:
    """Return the chain of a database, to be walked from the genesis document."""
    runtime = build_runtime()
    tree = StateTree(genesis.document.state_depth, {})
    genesis_root = tree.update(genesis.genesis_state(runtime).values).root
    return RestoredChain(rebuild.database, genesis, rebuild.reader, genesis_root, runtime.calls)


def _mark_recovering(folder: Path, floor: int) -> LogMark:
    wal = WriteAheadLog(folder)
    wal.begin_recovery(floor)
    wal.close()
    return wal.mark


def _note_log(path: Path, mark: LogMark) -> None:
    """Let the store know the new log, and show that it opens."""
    try:
        store = Store.open(path, StoreOptions(state_history_blocks=None))
    except StoreError as error:
        raise BackupError(f"the backup's database cannot be used: {error}") from None
    try:
        store.note_log(mark)
    finally:
        store.close()
