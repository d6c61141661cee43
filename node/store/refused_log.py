"""Which log of a database was refused when it was opened: for the operator who has to decide what to do.

Neither LevelDB nor RocksDB names it in its error; both write it into their own LOG. Nothing is decided from what is
found there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

LOG_TAIL_BYTES: Final = 64 * 1024
"""The last opening's lines are at the end; a new LOG is begun at each."""

_REFUSED: Final = re.compile(rb"(\S+): dropping \d+ bytes; Corruption")


def refused_log(path: Path) -> Path:
    """Return the file that was refused when a database was last opened, the folder where LOG tells none."""
    try:
        with (path / "LOG").open("rb") as log:
            log.seek(max(0, (path / "LOG").stat().st_size - LOG_TAIL_BYTES))
            refused = _REFUSED.findall(log.read())
    except OSError:
        return path
    return Path(refused[-1].decode(errors="replace")) if refused else path
