"""The file system, as the vote log and the folders of the store use it.

`SystemFiles` is production. The simulator of whole nodes has another one, in memory, that loses at a power cut what
was not synced: so all that is written durably goes through here, and no caller uses `os` beside it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final, Protocol

from genesis.durable_files import PRIVATE, make_private_folder


class Files(Protocol):
    """What is asked of a file system; every method raises OSError where it refuses."""

    def make_folder(self, path: Path) -> None:
        """Make a folder that is the owner's only, and those above it, and return once their names stay.

        One that exists is left as it is.
        """
        ...

    def exists(self, path: Path) -> bool:
        """Tell whether there is something of that name."""
        ...

    def open(self, path: Path, flags: int) -> int:
        """Open a file, or a folder to sync it, and return its descriptor; what it makes is the owner's only."""
        ...

    def read(self, path: Path) -> bytes:
        """Return all that a file holds."""
        ...

    def write(self, descriptor: int, data: memoryview, offset: int) -> int:
        """Write at a place; return how many bytes were taken, at least one."""
        ...

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut a file off."""
        ...

    def sync(self, descriptor: int) -> None:
        """Return once a file, or the names in a folder, would survive a power cut."""
        ...

    def sync_data(self, descriptor: int) -> None:
        """Return once a file's content and length would survive a power cut."""
        ...

    def close(self, descriptor: int) -> None:
        """Give a descriptor back."""
        ...

    def rename(self, path: Path, to: Path) -> None:
        """Give a file or folder another name, in the place of a file that has it."""
        ...

    def remove(self, path: Path) -> None:
        """Delete a file; nothing happens where there is none."""
        ...

    def remove_tree(self, path: Path) -> None:
        """Delete a folder with all that is in it."""
        ...


class SystemFiles:
    """The machine's own file system."""

    def make_folder(self, path: Path) -> None:
        """See `Files.make_folder`."""
        make_private_folder(path)

    def exists(self, path: Path) -> bool:
        """See `Files.exists`."""
        return path.exists()

    def open(self, path: Path, flags: int) -> int:
        """See `Files.open`."""
        return os.open(path, flags, PRIVATE)

    def read(self, path: Path) -> bytes:
        """See `Files.read`."""
        return path.read_bytes()

    def write(self, descriptor: int, data: memoryview, offset: int) -> int:
        """See `Files.write`."""
        return os.pwrite(descriptor, data, offset)

    def truncate(self, descriptor: int, size: int) -> None:
        """See `Files.truncate`."""
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        """See `Files.sync`."""
        os.fsync(descriptor)

    def sync_data(self, descriptor: int) -> None:
        """See `Files.sync_data`."""
        os.fdatasync(descriptor)

    def close(self, descriptor: int) -> None:
        """See `Files.close`."""
        os.close(descriptor)

    def rename(self, path: Path, to: Path) -> None:
        """See `Files.rename`."""
        os.rename(path, to)

    def remove(self, path: Path) -> None:
        """See `Files.remove`."""
        path.unlink(missing_ok=True)

    def remove_tree(self, path: Path) -> None:
        """See `Files.remove_tree`."""
        shutil.rmtree(path)


SYSTEM_FILES: Final = SystemFiles()


def rename_durably(files: Files, path: Path, to: Path) -> None:
    """Rename a file or folder within its folder, and return once the new name stays.

    Raises:
        OSError: the disk refuses.
    """
    files.rename(path, to)
    folder = files.open(to.parent, os.O_RDONLY)
    try:
        files.sync(folder)
    finally:
        files.close(folder)


def write_durably(files: Files, path: Path, content: bytes) -> None:
    """Write a file whole, beside its name first, and return once it stays; one caller at a time.

    Raises:
        OSError: the disk refuses; an existing file is as it was.
    """
    beside = path.with_name(f".{path.name}")
    descriptor = files.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        written = 0
        while written < len(content):
            written += files.write(descriptor, memoryview(content)[written:], written)
        files.sync(descriptor)
    finally:
        files.close(descriptor)
    rename_durably(files, beside, path)
