"""Four real validators far apart: delay, jitter, loss, partitions in one direction and in both, wrong clocks.

    python -m tests.wide [--only NAME] [--seconds 30] [--seed 1]

Every validator lives in a network namespace of its own, behind links of 100 ms ± 50 ms and 2 % loss in each
direction (tests/support/links.py). Under a load of transfers, each scenario must leave one chain that has
grown, every receipt in it, and no point made or lost. After a partition heals, every validator must commit a new
block within f + 2 timeouts, counted from the round that the validators had reached.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.support import sandbox
from tests.support.isolated import WIDE, IsolatedNetwork, apart
from tests.support.open_load import Accounts, OpenLoad
from tests.support.programs import CREATE_PROGRAM
from tests.support.same_chain import batch, check_receipts, check_same_chain, check_supply, critical_lines
from vm.params import Params

VALIDATORS = 4
EVERYONE = list(range(VALIDATORS))
FAULTS = (VALIDATORS - 1) // 3
RATE = 20
PARAMS = Params()
PARTITION_SECONDS = (3, 8, 14, 20, 40)
PLAIN = {"delay_ms": 0, "jitter_ms": 0, "loss": 0.0}
WRONG_CLOCKS = {0: 1_500, 1: -1_500, 2: 1_500, 3: -1_500}

Figures = dict[str, Any]


class Run:
    """One network under load, its checks, and what was measured."""

    def __init__(self, network: IsolatedNetwork, seconds: float) -> None:
        self.network = network
        self.seconds = seconds
        self.accounts = Accounts(network)
        self.accounts.fund()
        self.load = OpenLoad(network, self.accounts, RATE, EVERYONE)

    def height(self) -> int:
        """Return the greatest height."""
        return max(self.network.height(i) for i in EVERYONE)

    def grow(self, seconds: float) -> int:
        """Let time pass; return how many blocks came."""
        before = self.height()
        time.sleep(seconds)
        return self.height() - before

    def finish(self) -> Figures:
        """End the load and check everything."""
        self.load.finish()
        assert self.load.unanswered == 0, (
            f"{self.load.unanswered} transfers without a receipt: {self.load.refusals}"
        )
        height = check_same_chain(self.network, EVERYONE)
        check_receipts(self.network, EVERYONE, self.load.receipts)
        check_supply(self.network, EVERYONE, self.accounts)
        halted = critical_lines(self.network, EVERYONE)
        assert not halted, halted
        calls = [("chain_certificate", {"height": h}) for h in range(1, height + 1)]
        later = sum(certificate["round"] > 0 for certificate in batch(self.network, 0, calls))
        carried, lost, cut = self.network.links.order(count=True)[1:-1].split(", ")
        return {
            "blocks": height,
            "blocks of later rounds": later,
            "latency ms": self.load.latencies(),
            "packets carried": int(carried),
            "lost": int(lost),
            "cut": int(cut),
        }


def steady(run: Run) -> Figures:
    """Nothing but distance."""
    blocks = run.grow(run.seconds)
    assert blocks > run.seconds / 4, f"{blocks} blocks in {run.seconds} s"
    return {"blocks/s": round(blocks / run.seconds, 2)}


def deaf_in_one_direction(run: Run) -> Figures:
    """A hears B and B does not hear A; then nobody hears A, which hears all; the others must not stand still."""
    figures: Figures = {}
    for name, cut in (("0 is not heard by 1", [(0, 1)]), ("0 is heard by nobody", [(0, 1), (0, 2), (0, 3)])):
        run.network.cut(cut)
        blocks = run.grow(run.seconds)
        figures[f"blocks/s, {name}"] = round(blocks / run.seconds, 2)
        assert blocks > run.seconds / 10, f"{name}: {blocks} blocks in {run.seconds} s"
        figures[f"recovery, {name}"] = heal(run)
    return figures


def partitions(run: Run) -> Figures:
    """Halves that hear nothing of each other, then a ring in which everyone is deaf to the next."""
    figures: Figures = {}
    ring = [(i, (i + 1) % VALIDATORS) for i in EVERYONE]
    cuts = [(f"halves, {s} s", s, apart([0, 1], [2, 3])) for s in PARTITION_SECONDS]
    for name, seconds, cut in [*cuts, ("ring, 10 s", 10, ring)]:
        run.network.cut(cut)
        time.sleep(2.0)  # what was under way may still become final
        blocks = run.grow(max(1.0, seconds - 2.0))
        assert blocks == 0, f"{name}: {blocks} blocks without a quorum"
        figures[name] = heal(run)
    return figures


def wrong_clocks(run: Run) -> Figures:
    """Clocks ±1.5 s apart: blocks of the fast ones are held back by the slow ones."""
    return steady(run)


SCENARIOS: Mapping[str, tuple[Callable[[Run], Figures], Mapping[str, float], Mapping[int, int]]] = {
    "steady": (steady, WIDE, {}),
    "one-direction": (deaf_in_one_direction, WIDE, {}),
    "partitions": (partitions, WIDE, {}),
    "partitions-near": (partitions, PLAIN, {}),
    "clocks-near": (wrong_clocks, PLAIN, WRONG_CLOCKS),
    "clocks": (wrong_clocks, WIDE, WRONG_CLOCKS),
}


def heal(run: Run) -> str:
    """End a partition; check that every validator commits a new block in time; return what it took."""
    network = run.network
    before = run.height()
    reached = max(network.call(i, "node_consensus")["round"] for i in EVERYONE)
    allowed_s = sum(timeout_ms(reached + k) for k in range(FAULTS + 2)) / 1_000
    network.cut([])
    healed = time.monotonic()
    first = None
    waiting = set(EVERYONE)
    while waiting:
        for i in list(waiting):
            if network.height(i) > before:
                waiting.discard(i)
                first = first or time.monotonic() - healed
        elapsed = time.monotonic() - healed
        assert elapsed < allowed_s, f"{allowed_s:.0f} s after healing (round {reached}): {waiting} stand still"
        time.sleep(0.02)
    time.sleep(3.0)
    return (
        f"first {first:.1f} s, all {elapsed:.1f} s after healing, from round {reached}, allowed {allowed_s:.0f} s"
    )


def timeout_ms(round_: int) -> int:
    """Return how long the timer of a round runs."""
    return min(PARAMS.round_timeout_ms << round_, PARAMS.round_timeout_max_ms)


def play(name: str, seconds: float, seed: int) -> Figures:
    """Run one scenario."""
    scenario, links, clocks = SCENARIOS[name]
    with tempfile.TemporaryDirectory(prefix="entente-wide-") as folder:
        network = IsolatedNetwork(
            Path(folder) / "net", VALIDATORS, [CREATE_PROGRAM], PARAMS, seed=seed, clock_offsets_ms=clocks
        )
        network.links.order(**links)
        with network:
            run = Run(network, seconds)
            run.load.start()
            time.sleep(2.0)
            try:
                figures = scenario(run)
                return {**figures, **run.finish()}
            except BaseException:
                tell(network)
                raise


def tell(network: IsolatedNetwork) -> None:
    """Print the ends of the logs of a run that failed."""
    for i in EVERYONE:
        lines = network.log_file(i).read_text(errors="replace").splitlines()[-40:]
        print(f"--- validator {i}", *lines, sep="\n", file=sys.stderr)


def main() -> None:
    """Run the scenarios and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=sorted(SCENARIOS))
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sandbox.enter("tests.wide", sys.argv[1:])
    for name in options.only or SCENARIOS:
        begun = time.monotonic()
        for label, value in play(name, options.seconds, options.seed).items():
            print(f"{name:16} {label:36} {value}", flush=True)
        print(f"{name:16} passed in {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
