"""How many cores the process may use: of the machine's, those that it is bound to, and within its share of time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
"""The CPU quota of the container that this process runs in (Linux, control groups v2)."""


def usable_cores(quota: Path = QUOTA) -> int:
    """Return how many cores the process may use, at least 1."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allowed = _whole_cores(quota)
    return bound if allowed is None else max(1, min(bound, allowed))


def _whole_cores(quota: Path) -> int | None:
    """Return how many whole cores a quota is worth, None where there is none.

    The file holds "max 100000" or "200000 100000": so many µs of CPU in so many µs.
    """
    try:
        allowed, period = quota.read_text(encoding="ascii").split()
        return None if allowed == "max" else int(allowed) // int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
