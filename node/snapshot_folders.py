"""Where a snapshot waits beside the node's store, and how it takes the store's place.

    <home>/data            the store
    <home>/data.incoming   a snapshot on its way in, kept over restarts
    <home>/data.ready      a whole one: renaming to this name is what decides
    <home>/data.replaced   the former store, until it is deleted

`install_ready` runs before the store is opened, at each start and after a node has fetched a snapshot. Whatever
it is interrupted in, running again ends it; at any moment either the old or the new store is whole.

A snapshot skips heights for which this validator may have signed in another life, and whose certificates it never
sees. So the vote log is marked first: the validator follows without signing until it is safe
(node/signing_guard.py).
"""

from __future__ import annotations

import shutil
from pathlib import Path

from genesis.durable_files import rename_durably
from node.write_ahead_log import WriteAheadLog


def incoming_folder(home: Path) -> Path:
    """Return where a snapshot is fetched into."""
    return home / "data.incoming"


def declare_ready(home: Path) -> None:
    """Say that the incoming snapshot is whole; its database must be closed."""
    rename_durably(incoming_folder(home), home / "data.ready")


def install_ready(home: Path) -> bool:
    """Put a whole snapshot into the store's place, if there is one; nobody may have the store or the log open.

    Raises:
        WriteAheadLogError: the vote log cannot be read or marked; nothing has been moved.
    """
    ready, data, replaced = home / "data.ready", home / "data", home / "data.replaced"
    installed = ready.exists()
    if installed:
        log = WriteAheadLog(home / "wal")
        log.begin_recovery(log.highest)
        log.close()
        if data.exists():
            if replaced.exists():
                shutil.rmtree(replaced)
            rename_durably(data, replaced)
        rename_durably(ready, data)
    if replaced.exists() and data.exists():
        shutil.rmtree(replaced)
    return installed
