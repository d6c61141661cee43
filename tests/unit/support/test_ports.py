"""Ports of tests that run side by side: each has its own, also while nothing listens on them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from tests.support.ports import BLOCK, HOST, PortBlocks

# Below the ports that real nodes get, and other ones than those of a run beside this one.
FIRST = 10_000 + os.getpid() % 50 * 4 * BLOCK
LAST = FIRST + 4 * BLOCK


@pytest.fixture
def blocks():
    """Two owners of the same range, as two workers are."""
    owners = PortBlocks(FIRST, LAST), PortBlocks(FIRST, LAST)
    yield owners
    for owner in owners:
        owner.release()


def test_no_port_is_given_twice_though_nothing_listens_there(blocks: tuple[PortBlocks, PortBlocks]) -> None:
    one, other = blocks
    firsts = [owner.take(8) for owner in (one, other, one)]
    given = {port for first in firsts for port in range(first, first + 8)}
    assert len(given) == 24
    assert all(FIRST < port < LAST for port in given)


def test_ports_in_use_are_passed_over(blocks: tuple[PortBlocks, PortBlocks]) -> None:
    one, _ = blocks
    first = one.take(2)
    with socket.socket() as used:
        used.bind((HOST, first + 3))
        assert one.take(2) == first + 4


def test_blocks_that_are_all_owned_are_an_error_and_come_back_when_released(
    blocks: tuple[PortBlocks, PortBlocks],
) -> None:
    one, other = blocks
    for _ in range(4):
        one.take(BLOCK - 1)
    with pytest.raises(AssertionError, match="no free ports"):
        other.take(1)
    one.release()
    assert other.take(1)


def test_a_process_that_ends_gives_its_block_back(blocks: tuple[PortBlocks, PortBlocks]) -> None:
    program = (
        "import sys; from tests.support.ports import PortBlocks; "
        f"b = PortBlocks({FIRST}, {FIRST + BLOCK}); print(b.take(2), flush=True); sys.stdin.read()"
    )
    only = PortBlocks(FIRST, FIRST + BLOCK)
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as owner:
        assert owner.stdout is not None
        taken = int(owner.stdout.readline())
        with pytest.raises(AssertionError, match="no free ports"):
            only.take(2)
        owner.communicate()
    assert only.take(2) == taken
    only.release()
