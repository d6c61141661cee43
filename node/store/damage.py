"""Which file of a LevelDB is damaged: for the operator who has to decide what to do.

LevelDB's errors name no file. Its own LOG names the log whose records it refused, and its list of tables tells in
which of them a key can be. Nothing is decided from what this module finds; where it finds nothing, the message
names the folder.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

LOG_TAIL_BYTES: Final = 64 * 1024
"""The last opening's lines are at the end; LevelDB begins a new LOG at each."""

_REFUSED: Final = re.compile(rb"(\S+): dropping \d+ bytes; Corruption")
_TABLE: Final = re.compile(rb"^ (\d+):\d+\['(.*)' @ \d+ : \d+ \.\. '(.*)' @ \d+ : \d+\]$", re.DOTALL)
_ESCAPED: Final = re.compile(rb"\\x([0-9a-f]{2})")


def damaged_file(path: Path) -> Path:
    """Return the file that LevelDB refused when a database was last opened, the folder where it tells none."""
    try:
        with (path / "LOG").open("rb") as log:
            log.seek(max(0, (path / "LOG").stat().st_size - LOG_TAIL_BYTES))
            refused = _REFUSED.findall(log.read())
    except OSError:
        return path
    return Path(refused[-1].decode(errors="replace")) if refused else path


def tables_at(listing: bytes, at: bytes, stop: bytes) -> list[str]:
    """Return the names of the tables in which the first keys from `at` up to `stop` can be.

    Args:
        listing: LevelDB's property `leveldb.sstables`, in which the tables of a level above 0 stand in order.
    """
    found: list[str] = []
    is_sorted = has_one = False
    for line in listing.split(b"\n"):
        if line.startswith(b"--- level "):
            is_sorted, has_one = not line.startswith(b"--- level 0 "), False
        match = _TABLE.match(line)
        if match is None or (is_sorted and has_one):
            continue
        if _unescaped(match[2]) <= stop and at <= _unescaped(match[3]):
            found.append(f"{int(match[1]):06d}.ldb")
            has_one = True
    return found


def _unescaped(key: bytes) -> bytes:
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), key)
