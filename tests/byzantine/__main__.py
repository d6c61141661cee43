"""One real validator of four lies, each lie in turn: the chain goes on, stays one, and the liar is seen.

    python -m tests.byzantine [--only LIE] [--seconds 15] [--rate 20]

Honest runs stand at the beginning and at the end of the same session, as the machine's speed drifts. Each run is a
fresh network of real processes; clients speak to the three honest validators. After it these must hold one
chain, every receipt, and all points; where a lie can be told from bad luck, what they show of it is checked.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.byzantine.lies import LIES
from tests.byzantine.network import HONEST, LIAR, LyingNetwork
from tests.support.network import LocalNetwork, end_on_sigterm
from tests.support.open_load import Accounts, OpenLoad, quantiles
from tests.support.programs import CREATE_PROGRAM
from tests.support.same_chain import batch, check_receipts, check_same_chain, check_supply, critical_lines

CENSORED = 10
"""So many of the fifty accounts are censored where the lie is to censor."""

EVIDENCE: Mapping[str, set[str]] = {
    "equivocating-proposer": {"proposal"},
    "equivocating-voter": {"prepare", "commit"},
    "equivocating-round-change": {"round_change"},
}
"""Which steps' conflicting messages `node_consensus` must show."""

COUNTED: Mapping[str, str] = {
    "fewest-seals": "omitted_seals",
    "stale-messages": "out_of_reach",
    "far-future-messages": "out_of_reach",
}
"""What operators see, under `faults`, of lies that cost nothing. Censoring shows as `passed_over`, in most runs."""

SCORED = {"oversized-messages", "malformed-messages", "flooding", "stuffed-justifications", "huge-proposals"}
"""After these an honest node has the liar's key on its score board, or has shut it out."""


def play(lie: str, seconds: float, rate: float) -> dict[str, Any]:
    """Run one lie; return its figures."""
    with tempfile.TemporaryDirectory(prefix="entente-byzantine-") as folder:
        network = LyingNetwork(Path(folder) / "net", lie, [CREATE_PROGRAM])
        accounts = Accounts(network)
        network.censored = accounts.addresses[:CENSORED]
        with network:
            accounts.fund()
            load = OpenLoad(network, accounts, rate, HONEST)
            first = network.height(0)
            load.start()
            time.sleep(seconds)
            blocks = max(network.height(i) for i in HONEST) - first
            seen = what_is_seen(network)
            load.finish()
            figures = {
                "lie": lie,
                "blocks": blocks,
                **load.latencies(),
                "later_rounds": later_rounds(network),
                "proposed": proposed(network),
                **seen,
            }
            if lie == "censoring":
                waits = [sample.latency_ms for sample in load.samples if sample.sender < CENSORED]
                figures["censored"] = quantiles(waits)
            assert blocks > seconds / 10, f"the chain stood still: {figures}"
            assert load.unanswered == 0, f"{load.unanswered} transfers without a receipt: {load.refusals}"
            check_same_chain(network, HONEST)
            check_receipts(network, HONEST, load.receipts)
            check_supply(network, HONEST, accounts)
            halted = critical_lines(network, HONEST)
            assert not halted, halted
            check_seen(lie, figures)
            return figures


def what_is_seen(network: LyingNetwork) -> dict[str, Any]:
    """Return what the honest validators show of the liar, and whether they blame each other."""
    liar = network.key(LIAR)
    steps: set[str] = set()
    banned = 0
    faults: dict[str, int] = {}
    for index in HONEST:
        steps |= network.evidence_steps(index)
        consensus = network.call(index, "node_consensus")
        for validator in consensus["validators"]:
            if validator["public_key"] == liar:
                for fault, count in validator.get("faults", {}).items():
                    faults[fault] = faults.get(fault, 0) + count
        peers = {peer["key"]: peer["score"] for peer in network.call(index, "node_peers")}
        banned += liar not in peers or peers[liar] > 0
    return {"evidence": sorted(steps), "scored_by": banned, "faults": faults}


def check_seen(lie: str, figures: Mapping[str, Any]) -> None:
    """Check that what can be told from bad luck has been told."""
    wanted = EVIDENCE.get(lie, set())
    assert wanted <= set(figures["evidence"]), f"{lie}: evidence of {figures['evidence']} only"
    if not wanted:
        assert not figures["evidence"] or lie in ("flooding", "far-future-messages", "stale-messages"), figures
    if lie == "fewest-seals":
        assert min(figures["proposed"][:LIAR]) > figures["blocks"] // 8, (
            f"{lie}: a victim was pushed out: {figures}"
        )
    if lie in COUNTED:
        assert figures["faults"].get(COUNTED[lie], 0) > 0, f"{lie}: nobody counts it: {figures}"
    if lie in SCORED:
        assert figures["scored_by"] > 0, f"{lie}: nobody scores the liar"


def later_rounds(network: LocalNetwork) -> int:
    """Return how many blocks were decided in a round above 0."""
    height = network.height(0)
    calls = [("chain_certificate", {"height": h}) for h in range(1, height + 1)]
    return sum(certificate["round"] > 0 for certificate in batch(network, 0, calls))


def proposed(network: LyingNetwork) -> list[int]:
    """Return how many blocks of the chain each validator proposed; the liar stands last."""
    height = network.height(0)
    blocks = batch(network, 0, [("chain_block", {"height": h}) for h in range(1, height + 1)])
    proposers = [block["header"]["proposer"] for block in blocks]
    return [proposers.count(network.key(index)) for index in (*HONEST, LIAR)]


def main() -> None:
    """Run the lies and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=list(LIES))
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rate", type=float, default=20.0)
    options = parser.parse_args()
    end_on_sigterm()
    lies = ["honest", *(name for name in LIES if name != "honest"), "honest"]
    for lie in options.only or lies:
        figures = play(lie, options.seconds, options.rate)
        print(f"{figures.pop('lie'):26}", *(f"{name}={value}" for name, value in figures.items()), flush=True)


if __name__ == "__main__":
    main()
