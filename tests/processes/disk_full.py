"""Validators whose disk is really full, under load: they end with a word, lose nothing, and come back.

    python -m tests.processes.disk_full [--rounds 3]

Needs root, to mount file systems in memory: one of 8 MiB for the vote log, one of 24 MiB for the database. Each
round fills what is left of one of them while transfers flow, waits for the validator to end with exit code 74,
makes room, and starts it again. Then the validator loses its home, and its new disk, of 64 MiB, gets full while it
catches up: once block by block, once while it fetches a snapshot. At last all chains must be equal, every receipt
that a client got must be in them, and nobody may have signed twice.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from node.assembly.process import EXIT_DISK
from node.runtime.config import config_to_toml, load_config
from tests.support.closed_load import Load
from tests.support.network import LocalNetwork
from tests.support.programs import PROGRAM
from tests.support.same_chain import wait_same_head

VICTIM = 3
SIZES = {"wal": "8m", "data": "24m"}
HOME_SIZE = "64m"
SNAPSHOTS = 40
FETCHED = "the snapshot that was fetched has become the store"
ROOTS_BYTES = 65_536 * 32
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


def configure(home: Path, **settings: int) -> None:
    """Change settings in a node's configuration."""
    config = msgspec.structs.replace(load_config(home), **settings)
    (home / "node.toml").write_text(config_to_toml(config))


def move_home(network: LocalNetwork) -> Path:
    """Let the stopped victim begin anew in a home that is a file system of its own; its log stays outside."""
    home = network.home(VICTIM)
    kept = {name: (home / name).read_bytes() for name in ("node.toml", "key.json", "genesis.json")}
    for which in SIZES:
        subprocess.run(["umount", str(home / which)], check=True)
    mount(home, HOME_SIZE)
    for name, content in kept.items():
        (home / name).write_bytes(content)
        (home / name).chmod(0o600)
    log = network.directory / "victim.log"
    log.touch()
    (home / "node.log").symlink_to(log)
    return home


def rejoin(network: LocalNetwork, distance: int, begun: str) -> None:
    """Let the victim catch up from nothing, and fill its disk meanwhile; it must end, and come back."""
    home = network.home(VICTIM)
    for folder in [*home.glob("data*"), home / "wal"]:
        shutil.rmtree(folder, ignore_errors=True)
    configure(home, snapshot_distance=distance)
    (network.directory / "victim.log").write_text("")
    network.start(VICTIM)
    process = network.processes.pop(VICTIM)

    def has_begun() -> bool:
        said = (home / "node.log").read_text()
        assert process.poll() is None, said
        return begun in said and is_amid(network, distance)

    network.wait_for(has_begun, begun)
    ballast = fill(home)
    code = process.wait(timeout=120)
    assert code == EXIT_DISK, f"exit code {code}"
    ballast.unlink()
    network.start(VICTIM)
    network.wait_ready([VICTIM])
    said = (home / "node.log").read_text()
    assert "disk: " in said
    assert (FETCHED in said) == (distance > 0)
    way = "by snapshot" if distance else "block by block"
    print(f"catching up {way}: exit code {code}; then at height {network.height(VICTIM)}")


def is_amid(network: LocalNetwork, distance: int) -> bool:
    """Tell whether the victim has fetched something: parts of a snapshot beside its bucket roots, or blocks."""
    if distance:
        files = (network.home(VICTIM) / "data.incoming").glob("*.log")
        return sum(file.stat().st_size for file in files) > ROOTS_BYTES + 32 * 1024
    try:
        return network.height(VICTIM) > 0
    except OSError:
        return False


def check_receipts(network: LocalNetwork, index: int, load: Load) -> int:
    """Look for every receipt that a client has got; return how many."""
    receipts = list(load.receipts.items())
    wait_same_head(network, [0, 1, 2, 3])  # another one may have been ahead by a block when it gave a receipt
    for tx_id, receipt in receipts:
        assert network.call(index, "chain_receipt", id=tx_id) == receipt
    return len(receipts)


def check(network: LocalNetwork, load: Load) -> int:
    """Compare the chains, look for every receipt and for evidence; return the number of receipts."""
    for index in range(4):
        assert network.call(index, "node_consensus")["evidence"] == []
    return check_receipts(network, 0, load)  # the victim has none of those before its snapshot


def main() -> None:
    """Run the rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    mounted: list[Path] = []
    with tempfile.TemporaryDirectory(prefix="entente-disk-") as folder:
        network = LocalNetwork(Path(folder) / "net")
        home = network.home(VICTIM)
        for index in range(4):
            configure(network.home(index), snapshot_interval=SNAPSHOTS)
        configure(home, min_free_disk_mib=0)  # without a reserve, so that writes really fail
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
                network.kill(VICTIM)
                mounted = [move_home(network)]
                rejoin(network, 0, "connected (out)")
                check_receipts(network, VICTIM, load)
                network.kill(VICTIM)
                rejoin(network, SNAPSHOTS, "buckets from")
                load.finish()
                print(f"{check(network, load)} receipts, all there; chains equal; nobody signed twice")
        finally:
            for path in mounted:
                subprocess.run(["umount", "--lazy", str(path)], check=False)


if __name__ == "__main__":
    sys.exit(main())
