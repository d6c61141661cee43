"""Validators whose disk is really full, under load: they end with a word, lose nothing, and come back.

    python -m tests.integration.disk_full [--rounds 3]

Needs root, to mount file systems in memory: one of 8 MiB for the vote log, one of 24 MiB for the database. Each
round fills what is left of one of them while transfers flow, waits for the validator to end with exit code 74,
makes room, and starts it again. At last all chains must be equal, every receipt that a client got must be in them,
and nobody may have signed twice.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from node.app import EXIT_DISK
from tests.integration.test_kill import Load
from tests.integration.test_real_network import PROGRAM, wait_same_head
from tests.support.network import LocalNetwork

VICTIM = 3
SIZES = {"wal": "8m", "data": "24m"}
MIB = 1 << 20
BLOCKS_BETWEEN = 20


def mount(folder: Path, size: str) -> None:
    """Mount a file system in memory, or say why this machine does not."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if done.returncode != 0:
        raise SystemExit(
            f"this machine does not let us mount a file system (root is needed): {done.stderr.strip()}"
        )


def fill(folder: Path) -> Path:
    """Take all the room that is left in a file system."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for piece in (MIB, 4_096):
            try:
                while file.write(bytes(piece)) == piece:
                    pass
            except OSError:
                continue
    return ballast


def play(network: LocalNetwork, which: str) -> int:
    """Fill one file system, see the validator end, make room, see it come back; return its height then."""
    reached = network.height(VICTIM) + BLOCKS_BETWEEN
    network.wait_for(lambda: network.height(VICTIM) >= reached, f"height {reached}")
    ballast = fill(network.home(VICTIM) / which)
    process = network.processes.pop(VICTIM)
    code = process.wait(timeout=120)
    assert code == EXIT_DISK, f"exit code {code}"
    said = (network.home(VICTIM) / "node.log").read_text(errors="replace").splitlines()
    halted = [line for line in said if " HALTED " in line][-1]
    assert "disk: " in halted, halted
    print(f"{which}: exit code {code}, {re.sub(r'^.*HALTED', 'HALTED', halted)}")
    ballast.unlink()
    network.start(VICTIM)
    network.wait_ready([VICTIM])
    return network.height(VICTIM)


def check(network: LocalNetwork, load: Load) -> int:
    """Compare the chains, look for every receipt and for evidence; return the number of receipts."""
    wait_same_head(network, [0, 1, 2, 3])
    for tx_id, receipt in load.receipts.items():
        assert network.call(VICTIM, "chain_receipt", id=tx_id) == receipt
    for index in range(4):
        assert network.call(index, "node_consensus")["evidence"] == []
    return len(load.receipts)


def main() -> None:
    """Run the rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    mounted: list[Path] = []
    with tempfile.TemporaryDirectory(prefix="entente-disk-") as folder:
        network = LocalNetwork(Path(folder) / "net")
        home = network.home(VICTIM)
        toml = (home / "node.toml").read_text()
        # Without a reserve, so that writes really fail.
        (home / "node.toml").write_text(re.sub(r"min_free_disk_mib = \d+", "min_free_disk_mib = 0", toml))
        try:
            for which, size in SIZES.items():
                mount(home / which, size)
                mounted.append(home / which)
            with network:
                network.send(0, "aurora-admin", ("token.create_program", PROGRAM))
                to, _ = network.account("aurora-admin")
                issue = {"program": "miles", "to": to, "amount": 10_000_000, "ref": "float"}
                network.send(0, "aurora-admin", ("token.issue", issue))
                load = Load(network, "aurora-admin", "dune-admin")
                load.start()
                for _ in range(rounds):
                    for which in SIZES:
                        print(f"back at height {play(network, which)}")
                load.finish()
                print(f"{check(network, load)} receipts, all there; chains equal; nobody signed twice")
        finally:
            for path in mounted:
                subprocess.run(["umount", "--lazy", str(path)], check=False)


if __name__ == "__main__":
    sys.exit(main())
