"""Where a snapshot waits beside the node's store, and how it takes the store's place.

    <home>/data            the store
    <home>/data.incoming   a snapshot on its way in, kept over restarts
    <home>/data.ready      a whole one: renaming to this name is what decides
    <home>/data.replaced   the former store, until it is deleted

`install_ready` runs before the store is opened, at each start and after a node has fetched a snapshot. Whatever
it is interrupted in, running again ends it; at any moment either the old or the new store is whole.

A snapshot skips heights for which this validator may have signed in another life, and whose certificates it never
sees. So the vote log is marked first: the validator follows without signing until it is safe
(node/votes/signing_guard.py).
"""

from __future__ import annotations

from pathlib import Path

from node.runtime.files import SYSTEM_FILES, Files, rename_durably
from node.store.engine import OpenEngine
from node.store.engines import open_engine
from node.store.incoming_snapshot import IncomingSnapshot
from node.votes.write_ahead_log import WriteAheadLog


class SnapshotFolders:
    """The folders of one node's home.

    Args:
        files: the file system that holds the home.
        engine: opens the databases in it.
    """

    def __init__(self, home: Path, files: Files = SYSTEM_FILES, engine: OpenEngine = open_engine) -> None:
        self._home = home
        self._files = files
        self._engine = engine
        self.incoming = home / "data.incoming"
        self.ready = home / "data.ready"

    def open_incoming(self) -> IncomingSnapshot:
        """Open or create the snapshot on its way in.

        Raises:
            StoreFailure: the database cannot be opened.
        """
        return IncomingSnapshot(self.incoming, self._engine, self._files)

    def forget_incoming(self) -> None:
        """Delete what was begun, if anything was.

        Raises:
            OSError: the disk refuses.
        """
        if self._files.exists(self.incoming):
            self._files.remove_tree(self.incoming)

    def declare_ready(self) -> None:
        """Say that the incoming snapshot is whole; its database must be closed.

        Raises:
            OSError: the disk refuses.
        """
        rename_durably(self._files, self.incoming, self.ready)

    def install_ready(self) -> bool:
        """Put a whole snapshot into the store's place, if there is one; neither store nor log may be open.

        Raises:
            WriteAheadLogError: the vote log cannot be read or marked; nothing has been moved.
            OSError: the disk refuses; the next start goes on.
        """
        files, data, replaced = self._files, self._home / "data", self._home / "data.replaced"
        installed = files.exists(self.ready)
        if installed:
            log = WriteAheadLog(self._home / "wal", files)
            log.begin_recovery(log.highest)
            log.close()
            if files.exists(data):
                if files.exists(replaced):
                    files.remove_tree(replaced)
                rename_durably(files, data, replaced)
            rename_durably(files, self.ready, data)
        if files.exists(replaced) and files.exists(data):
            files.remove_tree(replaced)
        return installed
