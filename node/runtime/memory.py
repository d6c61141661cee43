"""Gives memory back to the system that a burst of requests has left with the C library's allocator.

glibc gives back what is free at the top of its heap only: one small object there, and the hundreds of MiB below it
that a burst has used stay with the process for good. `malloc_trim` gives back the free pages in between as well.
Other C libraries have no such call, and do not need it (musl) or are left as they are.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import time
from collections.abc import Callable
from typing import Final

import psutil

_log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 10.0

WORTH_BYTES: Final = 32 * 1024 * 1024
"""So much more than the least must be held before the heap is searched, which takes about a millisecond."""


async def give_back_memory() -> None:
    """Look from time to time whether memory has grown, and give back what is free of it; runs with the node."""
    trim = allocator_trim()
    if trim is None:
        return
    settled = resident_bytes()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        settled = given_back(settled, resident_bytes, trim)


def given_back(settled: int, resident: Callable[[], int], trim: Callable[[], None]) -> int:
    """Give back what is free if much more is held than the least so far; return the least so far, in bytes.

    What a burst still uses when this looks, the next look finds free: so the least is compared, not the last.
    """
    held = resident()
    if held < settled + WORTH_BYTES:
        return min(settled, held)
    began = time.perf_counter()
    trim()
    left = resident()
    _log.debug("gave back %d of %d bytes in %.1f ms", held - left, held, (time.perf_counter() - began) * 1_000)
    return min(settled, left)


def allocator_trim() -> Callable[[], None] | None:
    """Return what gives free pages back, None where the C library has no such call."""
    try:
        malloc_trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
    malloc_trim.argtypes, malloc_trim.restype = [ctypes.c_size_t], ctypes.c_int
    return lambda: malloc_trim(0)


def resident_bytes() -> int:
    """Return how much of this process is in memory."""
    return int(psutil.Process().memory_info().rss)
