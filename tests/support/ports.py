"""TCP ports for real nodes: what one process of tests takes, no other one takes while it lives.

A node that a test has killed leaves its ports free until the test starts it again, and a test that runs beside
it must not take them meanwhile. So ports come from blocks. A process owns a block as long as it has the block's
first port bound, which the system ends with the process. A process gives out no port twice.

The blocks lie below the ports that Linux gives to outgoing connections (32768 and above), which would take the
place of a killed node as well.
"""

from __future__ import annotations

import os
import socket

HOST = "127.0.0.1"
FIRST, LAST = 20_000, 32_000
BLOCK = 40
"""Ports in a block: seven validators of a test that joins them one by one need sixteen."""


class PortBlocks:
    """Blocks that this process owns, and how far the latest one is used up."""

    def __init__(self, first: int = FIRST, last: int = LAST) -> None:
        self._starts = range(first, last, BLOCK)
        self._claims: dict[int, socket.socket] = {}
        self._next = self._end = 0

    def take(self, count: int) -> int:
        """Return the first of `count` adjacent ports that are free, and that this process alone may use."""
        assert 0 < count < BLOCK, f"a block has {BLOCK - 1} ports to give"
        while True:
            if self._end - self._next < count:
                self._claim_block()
            first, self._next = self._next, self._next + count
            if all(_is_free(port) for port in range(first, first + count)):
                return first

    def release(self) -> None:
        """Give all blocks back."""
        for claim in self._claims.values():
            claim.close()
        self._claims.clear()
        self._next = self._end = 0

    def _claim_block(self) -> None:
        # Processes begin at different blocks, so that they rarely meet.
        turn = os.getpid() * 7 % len(self._starts)
        for start in (*self._starts[turn:], *self._starts[:turn]):
            if start in self._claims:
                continue
            claim = socket.socket()
            try:
                claim.bind((HOST, start))
            except OSError:
                claim.close()
                continue
            self._claims[start] = claim
            self._next, self._end = start + 1, start + BLOCK
            return
        raise AssertionError(f"no free ports from {self._starts.start} to {self._starts.stop}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


_BLOCKS = PortBlocks()
free_ports = _BLOCKS.take
