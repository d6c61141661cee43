"""Files that appear whole or not at all, stay over a power loss, and are private unless asked otherwise.

A new file is written beside its name, synced, given its mode and then its name; then its folder is synced, as
a rename or link may be lost before. All private files of a node are made by these functions: key files, node.toml,
testnet.json, backups, homes. The command line also sets the umask (`keep_private`), for files that libraries
make: the database, logs, sockets.

Invariants:
    1. At no moment does a file with the final name hold less than all of its content.
    2. At no moment is a private file, also the one beside, readable by another user.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

PRIVATE: Final = 0o600
PUBLIC: Final = 0o644
"""For genesis documents, which partners are to read."""

PRIVATE_FOLDER: Final = 0o700
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


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
    descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        if replace:
            os.replace(beside, path)
        else:
            # link() fails where the name is taken, in one step; a look before a rename would race.
            os.link(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, as far as this user may open it.

    Raises:
        OSError: the disk refuses.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        return  # files may be made in a folder that may not be listed; no call syncs it then
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
