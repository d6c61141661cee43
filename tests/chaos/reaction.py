"""How fast four real validators react and what they cost: a killed proposer, an idle hour, memory over blocks.

    python -m tests.chaos.reaction [--kills 20] [--idle-seconds 60] [--blocks 2000]

Reaction: the proposer of the next height is killed (SIGKILL), a transfer is sent to another validator at once, and
the time until its receipt is taken; then the dead one is started again and must be in the proposer order once
more before the next kill. The time holds one round timeout (2,000 ms), as nobody else may propose before.

Idle: the CPU time and memory of validators while nothing happens but heartbeat blocks. These come once a second
here, not once a minute, so that a minute holds as many as an hour does.

Growth: memory and disk of validators over blocks of one transfer each, at the shortest block interval.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from consensus.proposer import SealRecord, is_active, proposer_order
from consensus.types import Validator, ValidatorSet
from tests.support.network import LocalNetwork, end_on_sigterm
from tests.support.open_load import Accounts, OpenLoad, quantiles
from tests.support.programs import CREATE_PROGRAM
from tests.support.same_chain import check_same_chain, wait_same_head
from vm.params import Params

VALIDATORS = 4
EVERYONE = list(range(VALIDATORS))
HEARTBEAT_MS = 1_000
SHORT_INTERVAL_MS = 20
GROWTH_RATE = 60


def reaction(kills: int) -> dict[str, Any]:
    """Kill the next proposer again and again; return how long a transfer then takes."""
    waits, usual = [], []
    with testnet(Params()) as network:
        accounts = Accounts(network)
        accounts.fund()
        index = {v.brand: i for i, v in enumerate(network.manifest.validators)}
        for _ in range(kills):
            usual.append(timed_transfer(network, accounts, 0))
            wait_all_active(network, accounts)
            victim = index[next_proposer(network)]
            network.kill(victim)
            waits.append(timed_transfer(network, accounts, (victim + 1) % VALIDATORS))
            network.start(victim)
            network.wait_ready([victim])
        check_same_chain(network, EVERYONE)
    return {"kills": kills, "usual_ms": quantiles(usual), "after_a_kill_ms": quantiles(waits)}


def timed_transfer(network: LocalNetwork, accounts: Accounts, index: int) -> float:
    """Send a transfer to a validator and return the milliseconds until it is final."""
    _, raw = accounts.transfer()
    begun = time.monotonic()
    receipt = network.call(index, "tx_send", tx=raw, timeout_ms=30_000)
    assert receipt["status"] == "ok", receipt
    return (time.monotonic() - begun) * 1_000


def wait_all_active(network: LocalNetwork, accounts: Accounts) -> None:
    """Make blocks until nobody counts as dead, so that the next proposer is one that lives."""
    deadline = time.monotonic() + 60
    while True:
        wait_same_head(network, EVERYONE)
        height, _, records = standing(network)
        if all(is_active(record, height) for record in records.values()):
            return
        assert time.monotonic() < deadline, "a validator does not come back into the proposer order"
        timed_transfer(network, accounts, 0)


def next_proposer(network: LocalNetwork) -> str:
    """Return the brand of the proposer of the next height, round 0."""
    height, validators, records = standing(network)
    previous = bytes.fromhex(network.head(0)["header"]["proposer"])
    first = proposer_order(validators, records, height, previous)[0]
    return validators.validators[first].brand


def standing(network: LocalNetwork) -> tuple[int, ValidatorSet, dict[bytes, SealRecord]]:
    """Return the next height, its validators, and their last seals and skips."""
    entries = network.call(0, "chain_validators")["validators"]
    validators = ValidatorSet([Validator(bytes.fromhex(v["public_key"]), v["brand"]) for v in entries])
    records = {bytes.fromhex(v["public_key"]): SealRecord(v["last_seal"], v["last_skip"]) for v in entries}
    return network.height(0) + 1, validators, records


def idle(seconds: float) -> dict[str, Any]:
    """Let nothing happen but heartbeats; return what it costs."""
    with testnet(Params(empty_block_interval_ms=HEARTBEAT_MS)) as network:
        time.sleep(3.0)
        cpu = [network.cpu_seconds(i) for i in EVERYONE]
        memory = [network.resident_mib(i) for i in EVERYONE]
        first, begun = network.height(0), time.monotonic()
        time.sleep(seconds)
        elapsed = time.monotonic() - begun
        return {
            "seconds": round(elapsed),
            "heartbeat_blocks": network.height(0) - first,
            "cpu_percent_of_a_core": [
                round(100 * (network.cpu_seconds(i) - cpu[i]) / elapsed, 2) for i in EVERYONE
            ],
            "resident_mib_before": memory,
            "resident_mib_after": [network.resident_mib(i) for i in EVERYONE],
        }


def growth(blocks: int) -> dict[str, Any]:
    """Make many small blocks; return memory and disk on the way."""
    with testnet(Params(block_interval_ms=SHORT_INTERVAL_MS)) as network:
        accounts = Accounts(network)
        accounts.fund()
        load = OpenLoad(network, accounts, GROWTH_RATE, EVERYONE)
        load.start()
        steps = []
        begun = time.monotonic()
        for step in range(6):
            target = max(1, blocks * step // 5)
            network.wait_for(lambda target=target: network.height(0) >= target, f"height {target}", 3_600)
            steps.append(
                {
                    "height": network.height(0),
                    "seconds": round(time.monotonic() - begun),
                    "resident_mib": [network.resident_mib(i) for i in EVERYONE],
                    "disk_mib": round(disk_bytes(network.home(0) / "data") / 1_048_576, 1),
                }
            )
        load.finish()
        check_same_chain(network, EVERYONE)
        return {"steps": steps, "latency_ms": load.latencies()}


@contextmanager
def testnet(params: Params) -> Iterator[LocalNetwork]:
    """Run four validators with these parameters."""
    with (
        tempfile.TemporaryDirectory(prefix="entente-reaction-") as folder,
        LocalNetwork(Path(folder) / "net", ops=[CREATE_PROGRAM], params=params) as network,
    ):
        yield network


def disk_bytes(folder: Path) -> int:
    """Return what the files of a folder hold."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue  # LevelDB has just merged it away
    return total


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--idle-seconds", type=float, default=60.0)
    parser.add_argument("--blocks", type=int, default=2_000)
    options = parser.parse_args()
    end_on_sigterm()
    if options.kills:
        print(json.dumps({"reaction": reaction(options.kills)}, indent=2), flush=True)
    if options.idle_seconds:
        print(json.dumps({"idle": idle(options.idle_seconds)}, indent=2), flush=True)
    if options.blocks:
        print(json.dumps({"growth": growth(options.blocks)}, indent=2), flush=True)


if __name__ == "__main__":
    main()
