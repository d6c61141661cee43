"""Room on the disk: a node stops while there is still enough for its database to stop and start with.

A database that meets a full disk in the middle of a write survives (docs/decisions/halting.md), but needs room to
start again. So the node looks after each block, which costs 2 µs, and stops cleanly below a reserve.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from node.runtime.errors import DiskRefused

_log = logging.getLogger(__name__)

MEBIBYTE = 1 << 20


class DiskFull(DiskRefused):
    """The file system has less room than the node wants to keep free."""


class DiskSpace:
    """The file system that holds a node's home.

    Args:
        reserve_mib: what is to stay free; 0 never stops a node.
    """

    def __init__(self, home: Path, reserve_mib: int) -> None:
        self._home = home
        self._reserve = reserve_mib * MEBIBYTE
        self._warned = False

    @property
    def free_bytes(self) -> int:
        """What the node may still write."""
        found = os.statvfs(self._home)
        return found.f_bavail * found.f_frsize

    @property
    def spare_bytes(self) -> int:
        """What may be written until the reserve is reached; negative where it is gone."""
        return self.free_bytes - self._reserve

    def check(self) -> None:
        """Make sure that there is room; warn once when it gets scarce.

        Raises:
            DiskFull: less is free than the reserve.
        """
        if self._reserve == 0:
            return
        free = self.free_bytes
        if free < self._reserve:
            raise DiskFull(
                f"the disk of {self._home} has {free // MEBIBYTE} MiB left, and the node keeps "
                f"{self._reserve // MEBIBYTE} free (min_free_disk_mib in node.toml); make room and start it again"
            )
        if free < 2 * self._reserve and not self._warned:
            self._warned = True
            _log.warning("the disk of %s has only %d MiB left", self._home, free // MEBIBYTE)
        elif free > 3 * self._reserve:
            self._warned = False
