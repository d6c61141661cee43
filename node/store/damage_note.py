"""A store's folder, and the note in it that says what was found damaged.

A table that has rotten is met only where it is read. Without the note a node that has halted for it would, started
again, be ready until the next such read.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from threading import Lock
from typing import Final

from node.runtime.files import SYSTEM_FILES, Files, write_durably
from node.store.errors import StoreCorrupt, StoreFailure

NAME: Final = "DAMAGED"
"""Engines leave files alone whose names they do not know."""

TOLD_CHARACTERS: Final = 1_000


class DamageNote:
    """The note in a store's folder, if there is one.

    Args:
        files: the file system that holds the folder.
    """

    def __init__(self, folder: Path, files: Files = SYSTEM_FILES) -> None:
        self._path = folder / NAME
        self._files = files
        self._writing = Lock()  # any thread that reads may meet damage

    def require_none(self) -> None:
        """Refuse a store in which damage was found before.

        Raises:
            StoreCorrupt: there is a note.
        """
        if self._files.exists(self._path):
            told = self._files.read(self._path).decode(errors="replace")[:TOLD_CHARACTERS].strip()
            raise StoreCorrupt(f"{told} (found when the store was in use; {self._path} says so)")

    def write(self, damage: StoreCorrupt) -> None:
        """Leave a note. A disk that rots may refuse that as well; then the node halts all the same."""
        with contextlib.suppress(OSError), self._writing:
            write_durably(self._files, self._path, f"{damage}\n".encode())

    def delete(self) -> None:
        """Forget what was found: a check has found the store whole."""
        self._files.remove(self._path)


def make_store_folder(path: Path, files: Files = SYSTEM_FILES) -> None:
    """Make a store's folder so that its name stays: an engine syncs what is in it, not the folder that it is in.

    Raises:
        StoreFailure: the disk refuses.
    """
    try:
        files.make_folder(path)
    except OSError as error:
        raise StoreFailure(f"cannot make the folder {path}: {error.strerror}") from error
