"""What a badge costs: to mint, to evolve, to be read, and to be drawn.

Run: .venv/bin/python -m tests.bench.bench_nft [--tokens N]

CPU µs of one core and work units of one step, medians over so many badges on a chain in memory, each of a member of
its own; values have been decoded before; tree and commit are not in it. "listens to nothing" is what an event costs
whose brand has no badges for it.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

from contracts_py.nft import depicted
from node.pictures import picture
from tests.contract_harness import CHAIN, Chain, account_of
from tests.support.badges import badge_brand, collection_args
from vm.contract_api import Context
from vm.state_view import BlockOverlay

ROUNDS = 5
EVOLUTION = [
    {"on": {"event": "visit"}, "when": "true", "set": {"visits": "token.traits.visits + 1"}},
    {"on": {"event": "visit"}, "when": "token.traits.visits >= 10", "set": {"level": '"silver"'}},
    {"on": {"event": "visit"}, "when": "event.amount >= 10000", "set": {"vip": "true"}},
    {"on": "manual", "when": "token.traits.visits < 100", "set": {"visits": "token.traits.visits + 1"}},
]
ART = {
    "palette": {"trait": "level", "map": {"silver": "silver", "gold": "gold"}, "default": "bronze"},
    "icon": "cup",
    "progress": {"trait": "visits", "to": 40},
    "title": "Café Aurora",
    "caption": "{level}",
}

Step = Callable[[Context, int, str], Any]


def measured(chain: Chain, tokens: list[tuple[int, str]], step: Step) -> tuple[float, int]:
    """Return (CPU µs, work units) of a step; whatever it writes is thrown away."""
    taken, units = [], 0
    for _ in range(ROUNDS):
        for token, owner in tokens:
            ctx = Context(BlockOverlay(chain.state), CHAIN, chain.height, chain.time, 10**9, sender=owner)
            begin = time.process_time_ns()
            step(ctx, token, owner)
            taken.append(time.process_time_ns() - begin)
            units = ctx.cost
    return statistics.median(taken) / 1_000, units


def steps(chain: Chain) -> Iterable[tuple[str, Step]]:
    """Yield what is measured, with its name."""
    badges = next(room for room in chain.runtime.contracts if type(room).__name__ == "Evolutions").badges  # type: ignore[attr-defined]
    call, view = chain.runtime.invoke_call, chain.runtime.invoke_view
    event = {"type": "visit", "amount": 500, "attrs": {"amount": 500}}
    club: dict[str, Any] = {"collection": "aurora-club"}
    yield (
        "an event that listens to nothing",
        lambda ctx, _, owner: badges.on_event(ctx, "aurora", owner, "sale", event),
    )
    yield "an event, three rules", lambda ctx, _, owner: badges.on_event(ctx, "aurora", owner, "visit", event)
    yield "nft.evolve", lambda ctx, token, _: call(ctx, "nft.evolve", {**club, "token": token})
    yield (
        "nft.transfer",
        lambda ctx, token, _: call(ctx, "nft.transfer", {**club, "token": token, "to": account_of("x")}),
    )
    yield "nft_token", lambda ctx, token, _: view(ctx, "nft_token", {**club, "token": token})
    yield "nft_metadata", lambda ctx, token, _: view(ctx, "nft_metadata", {**club, "token": token})
    yield "the picture, read and drawn", lambda ctx, token, _: drawn(ctx, token)


def drawn(ctx: Context, token: int) -> bytes:
    """Return a badge's picture."""
    found = depicted(ctx, "aurora-club", token)
    assert found is not None
    return picture(found.art, found.traits, found.collection, found.name)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=500)
    count = parser.parse_args().tokens
    collection = collection_args(evolution=EVOLUTION, art=ART)
    chain = Chain([*badge_brand("aurora"), ("nft.create_collection", collection)], watched=False)
    tokens = [(number, account_of(f"member-{number}")) for number in range(count)]
    for number, owner in tokens:
        chain.send("aurora-issuer", "nft.mint", collection="aurora-club", token=number, to=owner)
    gc.collect()
    gc.disable()
    print(f"{'step':34}{'µs':>8}{'units':>8}")
    for name, step in steps(chain):
        micros, units = measured(chain, tokens, step)
        print(f"{name:34}{micros:8.1f}{units:8}")
    print(f"a picture has {len(drawn(chain.context(), 0)):,} bytes")


if __name__ == "__main__":
    main()
