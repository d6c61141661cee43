"""A local network whose validators live in network namespaces of their own; run inside `tests.support.sandbox`.

    client ── bridge ── veth ── [ namespace of validator i ] ── wan (TUN) ── tests.support.links ── the others

JSON-RPC goes over the bridge, which nothing disturbs; validators know each other by their `wan` addresses only, so
that whatever they say to each other passes through the links. Where `disk_mib` is given, each home is
a file system of that size, which can be filled.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from node.testnet.processes import LOG_FILE
from tests.support.links import Links
from tests.support.network import LocalNetwork, Op
from tests.support.sandbox import run
from vm.params import Params

WIDE = {"delay_ms": 100, "jitter_ms": 50, "loss": 0.02}
"""One way, between any two brands: a round trip takes 200 ms and jitters by up to 100."""

CONGESTION = "reno"
"""Every kernel lets a namespace choose it; machines differ in their own choice, and figures should not."""

_FILLER = "filler"


class IsolatedNetwork(LocalNetwork):
    """Validators in namespaces n0, n1, …

    Args:
        clock_offsets_ms: how far a validator's block clock is off, by its index.
        commands: what to run as a validator instead of the node, by its index; `--home HOME` is added.
    """

    def __init__(
        self,
        directory: Path,
        validators: int = 4,
        ops: Sequence[Op] = (),
        params: Params | None = None,
        *,
        seed: int = 0,
        disk_mib: int | None = None,
        clock_offsets_ms: Mapping[int, int] | None = None,
        commands: Mapping[int, Sequence[str]] | None = None,
    ) -> None:
        self.addresses = [f"10.88.0.{index + 1}" for index in range(validators)]
        super().__init__(directory, validators, ops, self.addresses, params)
        self._commands = dict(commands or {})
        self._make_namespaces(validators)
        self.links = Links([(f"n{i}", address) for i, address in enumerate(self.addresses)], seed)
        for index, offset_ms in (clock_offsets_ms or {}).items():
            self._set_clock(index, offset_ms)
        self._has_disks = disk_mib is not None
        if disk_mib is not None:
            for index in range(validators):
                self._mount_home(index, disk_mib)

    def __exit__(self, *details: object) -> None:
        super().__exit__(*details)
        self.links.close()
        for index in range(len(self.addresses)):
            run("ip", "link", "delete", f"rpc{index}")
            run("ip", "netns", "delete", f"n{index}")
            if self._has_disks:
                run("umount", "--lazy", str(self.home(index)))
        run("ip", "link", "delete", "clients")

    def _make_namespaces(self, count: int) -> None:
        run("ip", "link", "add", "clients", "type", "bridge")
        run("ip", "address", "add", "10.99.0.254/24", "dev", "clients")
        run("ip", "link", "set", "clients", "up")
        for index in range(count):
            name, outside = f"n{index}", f"rpc{index}"
            run("ip", "netns", "add", name)
            run("ip", "link", "add", outside, "type", "veth", "peer", "name", "rpc", "netns", name)
            run("ip", "link", "set", outside, "master", "clients", "up")
            run("ip", "-n", name, "address", "add", f"10.99.0.{index + 1}/24", "dev", "rpc")
            run("ip", "-n", name, "link", "set", "rpc", "up")
            run("ip", "-n", name, "link", "set", "lo", "up")
            run("ip", "netns", "exec", name, "sysctl", "-qw", f"net.ipv4.tcp_congestion_control={CONGESTION}")

    def _set_clock(self, index: int, offset_ms: int) -> None:
        # The block clock of a testnet with rate 1 is the wall clock plus a constant.
        anchor_ms = time.time_ns() // 1_000_000
        with (self.home(index) / "node.toml").open("a") as config:
            config.write(f"\n[clock]\nstart_ms = {anchor_ms + offset_ms}\nanchor_ms = {anchor_ms}\nrate = 1\n")

    def _mount_home(self, index: int, mib: int) -> None:
        home = self.home(index)
        with tempfile.TemporaryDirectory() as aside:
            shutil.copytree(home, aside, dirs_exist_ok=True)
            run("mount", "-t", "tmpfs", "-o", f"size={mib}m", "none", str(home))
            shutil.copytree(aside, home, dirs_exist_ok=True)

    # -- processes ---------------------------------------------------------------------------------

    def url(self, index: int) -> str:
        """Return a validator's JSON-RPC address on the bridge."""
        port = super().url(index).rpartition(":")[2]
        return f"http://10.99.0.{index + 1}:{port}"

    def launch(self, index: int) -> subprocess.Popen[bytes]:
        """Start a validator in its namespace."""
        node = self._commands.get(index, ("-P", "-m", "node.cli.main", "node", "start"))
        home = self.home(index)
        command = ["nsenter", f"--net=/run/netns/n{index}", "--", sys.executable, *node, "--home", str(home)]
        with (self.directory / f"{index}.{LOG_FILE}").open("ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def log_file(self, index: int) -> Path:
        """Return where a validator's output goes: not to its home, whose disk may be full."""
        return self.directory / f"{index}.{LOG_FILE}"

    # -- trouble -----------------------------------------------------------------------------------

    def cut(self, directions: Iterable[tuple[int, int]]) -> None:
        """Let nothing pass in these directions, and everything in all others."""
        self.links.order(cut=[list(pair) for pair in directions])

    def fill_disk(self, index: int) -> None:
        """Leave no room on a validator's file system."""
        with (self.home(index) / _FILLER).open("wb") as filler:
            filled = 0
            while (free := shutil.disk_usage(self.home(index)).free) > 0:
                # Where the node writes in between there is less room than asked for; then nothing at all is taken.
                with contextlib.suppress(OSError):
                    os.posix_fallocate(filler.fileno(), filled, free)
                    filled += free

    def free_disk(self, index: int) -> None:
        """Make room again."""
        (self.home(index) / _FILLER).unlink(missing_ok=True)


def apart(first: Iterable[int], second: Iterable[int]) -> list[tuple[int, int]]:
    """Return the directions that a partition into two groups cuts."""
    left, right = list(first), list(second)
    return [(a, b) for a in left for b in right] + [(b, a) for a in left for b in right]
