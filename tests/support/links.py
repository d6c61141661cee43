"""A wide network between namespaces: a process that carries IP packets, late, seldom lost, or not at all.

Each node's namespace has a TUN device `wan`; whatever is sent through it arrives here, in one process, which
writes it to the device of the namespace that has the packet's destination address. So between two nodes
runs the real TCP of the kernel, with real losses, retransmissions and backing off, over a path whose
delay, jitter and loss are ours to set for each direction. (The kernels that we test on have no `tc netem`.)

    python -m tests.support.links --seed 7 --node n0=10.88.0.1 --node n1=10.88.0.2 …

Commands come as lines of JSON on standard input, each answered by a line `ok` on standard output:

    {"delay_ms": 100, "jitter_ms": 50, "loss": 0.02}        for all directions
    {"cut": [[0, 1], [2, 1]]}                               directions (from, to) that carry nothing, anew
    {"count": true}                                         answers packets carried, lost and cut instead of `ok`

Invariants:
    1. Packets of one direction keep their order, as on most real paths: jitter delays, and never overtakes.
    2. Which packets are lost depends on the seed and on the number of packets before, in that direction, only.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import fcntl
import json
import os
import random
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_CLONE_NEWNET = 0x40000000
_MTU_BYTES = 1_500
_BURST = 64
"""Packets read from one device before the others get their turn."""

DEVICE = "wan"
_HEADER_BYTES = 20


class Direction:
    """The path from one node to another; pure, but for the chance that it was given."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._last_s = 0.0
        self.delay_s = 0.0
        self.jitter_s = 0.0
        self.loss = 0.0
        self.cut = False
        self.carried = 0
        self.lost = 0
        self.cut_off = 0

    def arrival_s(self, now_s: float) -> float | None:
        """Return when a packet that leaves now arrives; None if it never does."""
        if self.cut:
            self.cut_off += 1
            return None
        if self.loss and self._chance.random() < self.loss:
            self.lost += 1
            return None
        self.carried += 1
        jitter_s = self._chance.uniform(-self.jitter_s, self.jitter_s) if self.jitter_s else 0.0
        self._last_s = max(self._last_s, now_s + self.delay_s + jitter_s)
        return self._last_s


class Switch:
    """All devices and directions."""

    def __init__(self, addresses: Sequence[str], descriptors: Sequence[int], seed: int) -> None:
        self._descriptors = descriptors
        self._by_address = {_packed(address): index for index, address in enumerate(addresses)}
        self.directions = {
            (source, target): Direction(random.Random(f"{seed}/{source}/{target}"))
            for source in range(len(addresses))
            for target in range(len(addresses))
            if source != target
        }

    def start(self) -> None:
        """Read from every device."""
        loop = asyncio.get_running_loop()
        for index, descriptor in enumerate(self._descriptors):
            loop.add_reader(descriptor, self._readable, index, descriptor)

    def _readable(self, source: int, descriptor: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(_BURST):
            try:
                packet = os.read(descriptor, 65_536)
            except BlockingIOError:
                return
            if len(packet) < _HEADER_BYTES or packet[0] >> 4 != 4:
                continue  # IPv6 announcements of the interface
            target = self._by_address.get(packet[16:20])
            if target is None or target == source:
                continue
            now_s = loop.time()
            arrival_s = self.directions[source, target].arrival_s(now_s)
            if arrival_s is None:
                continue
            if arrival_s <= now_s:
                _write(self._descriptors[target], packet)
            else:
                loop.call_at(arrival_s, _write, self._descriptors[target], packet)

    def command(self, order: dict[str, Any]) -> str:
        """Obey one command and return the answer."""
        if "count" in order:
            ways = self.directions.values()
            return json.dumps(
                [sum(w.carried for w in ways), sum(w.lost for w in ways), sum(w.cut_off for w in ways)]
            )
        for direction in self.directions.values():
            direction.delay_s = order.get("delay_ms", direction.delay_s * 1_000) / 1_000
            direction.jitter_s = order.get("jitter_ms", direction.jitter_s * 1_000) / 1_000
            direction.loss = order.get("loss", direction.loss)
        if "cut" in order:
            cut = {(source, target) for source, target in order["cut"]}
            for pair, direction in self.directions.items():
                direction.cut = pair in cut
        return "ok"


def _write(descriptor: int, packet: bytes) -> None:
    try:
        os.write(descriptor, packet)
    except OSError:
        return  # the node's interface is down, or its queue full: the packet is lost, as on any path


def _packed(address: str) -> bytes:
    return bytes(int(part) for part in address.split("."))


def _open_device(namespace: str, address: str) -> int:
    """Make a namespace's TUN device; the descriptor belongs to that namespace, wherever this process goes next."""
    with open(f"/run/netns/{namespace}") as room:
        if ctypes.CDLL(None, use_errno=True).setns(room.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", DEVICE.encode(), _IFF_TUN | _IFF_NO_PI))
    for command in (
        ["ip", "link", "set", DEVICE, "mtu", str(_MTU_BYTES), "txqueuelen", "10000", "up"],
        ["ip", "address", "add", f"{address}/24", "dev", DEVICE],
    ):
        subprocess.run(command, check=True)
    return descriptor


async def _serve(switch: Switch) -> None:
    switch.start()
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), _line_reader(switch, over.set))
    await over.wait()


def _line_reader(switch: Switch, over: Callable[[], None]) -> Callable[[], None]:
    pending = bytearray()

    def read() -> None:
        data = os.read(sys.stdin.fileno(), 65_536)
        if not data:
            over()
            return
        pending.extend(data)
        while (end := pending.find(b"\n")) >= 0:
            line = bytes(pending[:end])
            del pending[: end + 1]
            print(switch.command(json.loads(line)), flush=True)

    return read


class Links:
    """The carrying process, seen from the test that runs it."""

    def __init__(self, nodes: Sequence[tuple[str, str]], seed: int) -> None:
        """Start it for (namespace, address) of each node."""
        named = [part for namespace, address in nodes for part in ("--node", f"{namespace}={address}")]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.links", "--seed", str(seed), *named],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.order(cut=[])

    def order(self, **order: Any) -> str:
        """Send a command and return the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer, "the process that carries packets has ended"
        return answer

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def main() -> None:
    """Carry packets until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--node", action="append", required=True, metavar="NAMESPACE=ADDRESS")
    options = parser.parse_args()
    nodes = [node.split("=") for node in options.node]
    descriptors = [_open_device(namespace, address) for namespace, address in nodes]
    asyncio.run(_serve(Switch([address for _, address in nodes], descriptors, options.seed)))


if __name__ == "__main__":
    main()
