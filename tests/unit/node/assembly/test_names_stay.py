"""What gets a name (a file or folder, by rename, link or mkdir) has its folder synced before success is told."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from genesis.durable_files import make_private_folder, write_durably
from genesis.keystore import generate_key
from node.cli.keys_commands import save_key
from node.maintenance.backup import frames, write_file
from node.runtime.files import SYSTEM_FILES, rename_durably
from node.store import Store, StoreCorrupt
from node.store.damage_note import DamageNote
from node.sync.snapshot_folders import SnapshotFolders
from node.votes.write_ahead_log import WriteAheadLog
from tests.support.ledger import LocalChain


class Recorder:
    """Which names were given, and which of their folders were synced afterwards."""

    def __init__(self, patch: pytest.MonkeyPatch, root: Path) -> None:
        self.unsynced: set[Path] = set()
        self.named: list[Path] = []
        self._root = root
        for name in ("rename", "replace", "link"):
            patch.setattr(os, name, self._giving(getattr(os, name), lambda args: args[1]))
        patch.setattr(os, "mkdir", self._giving(os.mkdir, lambda args: args[0]))
        fsync = os.fsync

        def synced(descriptor: int) -> None:
            fsync(descriptor)
            folder = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
            self.unsynced = {path for path in self.unsynced if path.parent != folder}

        patch.setattr(os, "fsync", synced)

    def _giving(self, call: Callable[..., Any], name_of: Callable[[Any], Any]) -> Callable[..., Any]:
        def give(*args: Any, **options: Any) -> Any:
            result = call(*args, **options)
            path = Path(name_of(args)).resolve()
            if path.is_relative_to(self._root):
                self.named.append(path)
                self.unsynced.add(path)
            return result

        return give


def snapshot_installed(root: Path) -> None:
    folders = SnapshotFolders(root)
    for folder in (root / "data", folders.incoming):
        make_private_folder(folder)
    folders.declare_ready()
    assert folders.install_ready()


def backed_up(root: Path) -> None:
    chain = LocalChain(root / "data")
    write_file(root / "backup", frames(chain.store, chain.genesis.chain, 1))
    chain.close()


ACTIONS: dict[str, Callable[[Path], Any]] = {
    "a file": lambda root: write_durably(root / "file", "x"),
    "a file that must be new": lambda root: write_durably(root / "file", "x", replace=False),
    "folders": lambda root: make_private_folder(root / "a" / "b"),
    "a rename": lambda root: (write_durably(root / "a", "x"), rename_durably(SYSTEM_FILES, root / "a", root / "b")),
    "a note of damage": lambda root: DamageNote(root).write(StoreCorrupt("a table is damaged")),
    "a vote log": lambda root: WriteAheadLog(root / "home" / "wal").close(),
    "a store": lambda root: Store.open(root / "home" / "data").close(),
    "a key": lambda root: save_key(root / "home" / "key.json", generate_key(), True, None),
    "a backup": backed_up,
    "a snapshot": snapshot_installed,
}


@pytest.mark.parametrize("action", ACTIONS)
def test_the_folder_is_synced_after_the_name_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    recorder = Recorder(monkeypatch, tmp_path)
    ACTIONS[action](tmp_path)
    assert recorder.named
    assert recorder.unsynced == set()
