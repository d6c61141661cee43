"""Real validators on this machine, of several numbers: blocks, latency, rounds, CPU of a validator for a block.

    python -m tests.bench.validator_processes [--sizes 4,7,13] [--rate 60] [--seconds 15] [--port N]

They share the machine's cores, so that latency grows with their number by the machine alone; CPU for a block, and
that no block takes a second round, are what to look at.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.support.network import LocalNetwork
from tests.support.open_load import Accounts, OpenLoad
from tests.support.programs import CREATE_PROGRAM

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(network: LocalNetwork) -> float:
    """Return the CPU time of all validators so far."""
    total = 0
    for process in network.processes.values():
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def measure(n: int, rate: float, seconds: float, port: int | None) -> tuple[str, ...]:
    """Run a network of n under a light load; return its row of the table."""
    with tempfile.TemporaryDirectory(prefix="entente-validators-") as folder:
        network = LocalNetwork(Path(folder) / "net", validators=n, ops=[CREATE_PROGRAM], rpc_port=port)
        accounts = Accounts(network)
        with network:
            accounts.fund()
            load = OpenLoad(network, accounts, rate, list(range(n)))
            load.start()
            first, began, cpu = network.height(0), time.monotonic(), cpu_seconds(network)
            time.sleep(seconds)
            last, ended, used = network.height(0), time.monotonic(), cpu_seconds(network) - cpu
            load.finish()
            rounds = [network.call(0, "chain_certificate", height=h)["round"] for h in range(first + 1, last + 1)]
            latency = load.latencies()
            peers = network.call(0, "node_peers")
            scored = sum(peer["score"] > 0 for peer in peers)
    blocks = last - first
    return (
        str(n),
        f"{blocks / (ended - began):.1f}",
        f"{used * 1_000 / blocks / n:.1f}",
        f"{used * 100 / (ended - began):.0f} %",
        f"{latency['p50']} / {latency['p95']} / {latency['p99']}",
        f"{sum(round_ > 0 for round_ in rounds)} of {blocks}",
        f"{len(peers)}, {scored}",
        str(load.unanswered),
    )


def main() -> int:
    """Measure each size and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="4,7,13", help="how many validators")
    parser.add_argument("--rate", type=float, default=60, help="transfers a second, of all clients")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--port", type=int, help="the first of 2n ports; without, free ones")
    arguments = parser.parse_args()
    heads = ("n", "blocks/s", "CPU ms of a node for a block", "CPU of all", "p50 / p95 / p99 ms", "later rounds")
    table = Table(*heads, "peers, scored", "unanswered")
    for size in arguments.sizes.split(","):
        table.add_row(*measure(int(size), arguments.rate, arguments.seconds, arguments.port))
    Console(width=150).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
