"""Files that appear whole or not at all, stay over a power loss, and are private unless asked otherwise.

A new file is written beside its name, synced, and given its name; then its folder is synced, as a rename or link
may be lost before. `replacing` is the one place where that is done. `durable_file` and `write_durably` make all
private files of a node: key files, node.toml, testnet.json, backups, homes. The vote log and the note of damage
give `replacing` the file system that their node runs on. The command line also sets the umask (`keep_private`), for
files that libraries make: the database, logs, sockets.

Invariants:
    1. At no moment does a file with the final name hold less than all of its content.
    2. At no moment is a private file, also the one beside, readable by another user.
    3. All that `replacing` opens it opens before anything is written: where no descriptor is free, nothing changes.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final, Protocol

PRIVATE: Final = 0o600
PUBLIC: Final = 0o644
"""For genesis documents, which partners are to read."""

PRIVATE_FOLDER: Final = 0o700
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class NamedFiles(Protocol):
    """What giving a file its name asks of a file system; every method raises OSError where it refuses."""

    def open(self, path: Path, flags: int) -> int:
        """Open a file, or a folder to sync it, and return its descriptor; what it makes is the owner's only."""
        ...

    def sync(self, descriptor: int) -> None:
        """Return once a file, or the names in a folder, would survive a power cut."""
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


class OsFiles:
    """The machine's own file system."""

    def open(self, path: Path, flags: int) -> int:
        """See `NamedFiles.open`."""
        return os.open(path, flags, PRIVATE)

    def sync(self, descriptor: int) -> None:
        """See `NamedFiles.sync`."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """See `NamedFiles.close`."""
        os.close(descriptor)

    def rename(self, path: Path, to: Path) -> None:
        """See `NamedFiles.rename`."""
        os.rename(path, to)

    def remove(self, path: Path) -> None:
        """See `NamedFiles.remove`."""
        path.unlink(missing_ok=True)


OS_FILES: Final = OsFiles()


def keep_private() -> None:
    """Let everything that this process and its children create be the owner's only."""
    os.umask(_OTHERS)


def private(path: str, flags: int) -> int:
    """Open a file as `open` does, its owner's only if that makes it; for its `opener`."""
    return os.open(path, flags, PRIVATE)


def make_private_folder(path: Path) -> None:
    """Make a folder that only its owner may enter, and those above it; one that exists is left as it is.

    Raises:
        OSError: the disk refuses, or there is something else of that name.
    """
    if path.is_dir():
        return
    make_private_folder(path.parent)
    path.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    sync_folder(path.parent)


def write_durably(path: Path, content: bytes | str, *, mode: int = PRIVATE, replace: bool = True) -> None:
    """Write a file whole, with a mode, and return once it stays.

    Raises:
        FileExistsError: there is one, and it is not to be replaced.
        OSError: the disk refuses; an existing file is as it was.
    """
    with durable_file(path, mode=mode, replace=replace) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def durable_file(path: Path, *, mode: int = PRIVATE, replace: bool = True) -> Iterator[IO[bytes]]:
    """Offer a file beside `path`, for writing and reading back; it gets its name when the block ends well.

    Raises:
        FileExistsError: there is one, and it is not to be replaced.
        OSError: the disk refuses; an existing file is as it was.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    name_it = OS_FILES.rename if replace else _link
    with replacing(path, beside, create=os.O_EXCL, name_it=name_it) as descriptor:
        os.fchmod(descriptor, mode)
        with os.fdopen(descriptor, "w+b", closefd=False) as file:
            yield file
    OS_FILES.close(descriptor)


def _link(beside: Path, path: Path) -> None:
    # link() fails where the name is taken, in one step; a look before a rename would race.
    os.link(beside, path)
    beside.unlink()


@contextlib.contextmanager
def replacing(
    path: Path,
    beside: Path,
    files: NamedFiles = OS_FILES,
    create: int = os.O_TRUNC,
    name_it: Callable[[Path, Path], None] | None = None,
) -> Iterator[int]:
    """Offer the descriptor of a new file, to be written; when the block ends well, it gets its name, which stays.

    The descriptor stays open then, and is the caller's. Where anything fails, it is closed, and nothing is left
    beside.

    Args:
        beside: where the file is until it is whole, in the same folder.
        create: what to do with a file there: O_TRUNC takes its place, O_EXCL refuses.
        name_it: gives the file its name; `files.rename` without.

    Raises:
        OSError: the disk refuses; an existing file is as it was, unless only the folder could not be synced.
    """
    with _opened_folder(path.parent, files) as folder:
        descriptor = files.open(beside, os.O_RDWR | os.O_CREAT | create)
        try:
            yield descriptor
            files.sync(descriptor)
            (name_it or files.rename)(beside, path)
            if folder is not None:
                files.sync(folder)
        except BaseException:
            files.close(descriptor)
            with contextlib.suppress(OSError):
                files.remove(beside)
            raise


def sync_folder(folder: Path, files: NamedFiles = OS_FILES) -> None:
    """Wait until the names in a folder are on the disk, as far as this user may open it.

    Raises:
        OSError: the disk refuses.
    """
    with _opened_folder(folder, files) as descriptor:
        if descriptor is not None:
            files.sync(descriptor)


@contextlib.contextmanager
def _opened_folder(folder: Path, files: NamedFiles) -> Iterator[int | None]:
    """Offer a folder's descriptor; None where this user may make files in it, and not list it: no call syncs it."""
    try:
        descriptor = files.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        yield None
        return
    try:
        yield descriptor
    finally:
        files.close(descriptor)


def exposure(path: Path) -> list[str]:
    """Return a sentence where a file or folder can be used by others than its owner."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return []
    if not mode & _OTHERS:
        return []
    if stat.S_ISDIR(mode):
        return [f"{path} is open to others than its owner; chmod 700 it"]
    return [f"{path} is readable by others than its owner; chmod 600 it"]
