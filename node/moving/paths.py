"""The files that an import names: none of them is another one, and what is written over is a file of rejects.

An operator mistypes a path. Then the import ends before anything is sent, and each file stays as it is.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from genesis.durable_files import PRIVATE
from node.moving.errors import MovingError
from node.terminal.table_text import quoted_line

REJECTS_HEADER: Final = quoted_line("line", "ref", "reason").encode()
_FORMER_HEADER: Final = b"line,ref,reason\r\n"
"""Of rejects before their fields were quoted; an earlier run may have left some."""

Named = tuple[str, Path]
"""What a file is for, in words, and where it is."""


def require_distinct(files: Sequence[Named]) -> None:
    """Refuse where two files are one, also by links or another way of writing the path.

    Raises:
        MovingError: two are.
    """
    for place, (words, path) in enumerate(files):
        for other_words, other in files[:place]:
            if _are_one(path, other):
                raise MovingError(f"{path} is {other_words} and {words} at once; nothing was read or written")


def _are_one(one: Path, other: Path) -> bool:
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    try:
        return one.samefile(other)
    except OSError:
        return False  # One of them does not exist.


def make_own(path: Path) -> None:
    """Make an empty file of this user's only, where there is none.

    Raises:
        OSError: the disk refuses.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE))
    except FileExistsError:
        return


def require_own(path: Path) -> None:
    """Refuse a file into which others can have written: what it says is believed.

    Raises:
        MovingError: it is a link, belongs to another user, or others may write to it.
        OSError: the disk refuses.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise MovingError(f"{path} is no regular file; the import makes a plan of its own once you move it away")
    if found.st_uid != os.geteuid():
        raise MovingError(f"{path} belongs to another user ({found.st_uid}); move it away, or import as this user")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise MovingError(f"others than its owner can write to {path}; move it away, the import can do without it")


def require_rejects(path: Path) -> None:
    """Refuse a path at which there is anything but rejects that an earlier run has written.

    Raises:
        MovingError: there is.
    """
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise MovingError(f"{path} is no regular file; name another file for the rejects")
        with path.open("rb") as file:
            first = file.read(max(len(REJECTS_HEADER), len(_FORMER_HEADER)))
    except FileNotFoundError:
        return
    except OSError as error:
        raise MovingError(f"{path} cannot be read: {error.strerror or error}") from None
    if not first.startswith((REJECTS_HEADER, _FORMER_HEADER)):
        raise MovingError(f"{path} exists and holds no rejects of an import; name another file with --rejects")
