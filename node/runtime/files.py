"""The file system, as the vote log and the folders of the store use it.

`SystemFiles` is production. The simulator of whole nodes has another one, in memory, that loses at a power cut what
was not synced: so all that is written durably goes through here, and no caller uses `os` beside it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final, Protocol

from genesis.durable_files import NamedFiles, OsFiles, make_private_folder, replacing, sync_folder


class Files(NamedFiles, Protocol):
    """What is asked of a file system; every method raises OSError where it refuses."""

    def make_folder(self, path: Path) -> None:
        """Make a folder that is the owner's only, and those above it, and return once their names stay.

        One that exists is left as it is.
        """
        ...

    def exists(self, path: Path) -> bool:
        """Tell whether there is something of that name."""
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

    def sync_data(self, descriptor: int) -> None:
        """Return once a file's content and length would survive a power cut."""
        ...

    def remove_tree(self, path: Path) -> None:
        """Delete a folder with all that is in it."""
        ...


class SystemFiles(OsFiles):
    """The machine's own file system."""

    def make_folder(self, path: Path) -> None:
        """See `Files.make_folder`."""
        make_private_folder(path)

    def exists(self, path: Path) -> bool:
        """See `Files.exists`."""
        return path.exists()

    def read(self, path: Path) -> bytes:
        """See `Files.read`."""
        return path.read_bytes()

    def write(self, descriptor: int, data: memoryview, offset: int) -> int:
        """See `Files.write`."""
        return os.pwrite(descriptor, data, offset)

    def truncate(self, descriptor: int, size: int) -> None:
        """See `Files.truncate`."""
        os.ftruncate(descriptor, size)

    def sync_data(self, descriptor: int) -> None:
        """See `Files.sync_data`."""
        os.fdatasync(descriptor)

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
    sync_folder(to.parent, files)


def write_all(files: Files, descriptor: int, data: bytes, offset: int = 0) -> None:
    """Write all of some bytes at a place; a file system may take fewer at a time.

    Raises:
        OSError: the disk refuses; a part may be written.
    """
    view = memoryview(data)
    while view:
        written = files.write(descriptor, view, offset)
        offset += written
        view = view[written:]


def write_durably(files: Files, path: Path, content: bytes) -> None:
    """Write a file whole, beside its name first, and return once it stays; one caller at a time.

    Raises:
        OSError: the disk refuses; an existing file is as it was.
    """
    with replacing(path, path.with_name(f".{path.name}"), files) as descriptor:
        write_all(files, descriptor, content)
    files.close(descriptor)
