"""One run of the demo, from the data to the comparison; `command` is its command line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from genesis.document import Genesis
from genesis.testnet import ClockStart, TestnetManifest
from node.demo.brand_nodes import open_brand_nodes
from node.demo.comparison import compare
from node.demo.courier import Counters, Courier
from node.demo.data import Lines, data_folder, load_lines
from node.demo.marketing import marketing_ops
from node.demo.network import clock_of
from node.demo.operations import Author
from node.demo.plan import MS_PER_DAY, Plan, month_start
from node.demo.planner import make_plan
from node.demo.printed import FOLDER, print_statements
from node.demo.progress import shown_progress
from node.demo.proof import recompute
from node.demo.replay import Replay
from node.demo.result import Result
from node.demo.rules import PARTNERS, TREATIES

YEAR_S: Final = 110
"""The year's least length, wall time: the default run ends well under three minutes."""

OPERATIONS_PER_SECOND: Final = 320
"""What the network is trusted with when the year's length is chosen; see docs/demo.md for what it reaches."""

START_S: Final = 8
"""Time for four processes to start and to meet, before the first members are enrolled."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The data, read and planned, before there is a network."""

    folder: Path
    wanted: int | None
    seed: int
    lines: Lines
    plan: Plan

    @property
    def operations(self) -> int:
        """How many operations the replay consists of, but for confirmations of payments."""
        return self.opening + len(self.plan.purchases) + len(self.plan.deeds) + len(PARTNERS)

    @property
    def opening(self) -> int:
        """How many of them come before the year."""
        agreed = len(PARTNERS) * (len(PARTNERS) + 2) + 2 * len(TREATIES)
        marketed = sum([len(marketing_ops(partner)) for partner in range(len(PARTNERS))])
        # A member is enrolled and gets a badge.
        return agreed + marketed + 2 * len(self.plan.members) + len(self.plan.allowing) + len(self.plan.links)


def prepare(baskets: int | None, seed: int) -> Prepared:
    """Read the data and make the plan.

    Raises:
        DataMissing: the demo's extra is not installed.
    """
    folder = data_folder()
    lines = load_lines(folder, baskets, seed)
    return Prepared(folder, baskets, seed, lines, make_plan(lines))


def choose_clock(prepared: Prepared, days_per_second: float | None) -> ClockStart:
    """Return when the chain begins and how fast it runs.

    It begins early enough that all can be agreed and the members enrolled before the year does.
    """
    seconds = max(YEAR_S, prepared.operations / OPERATIONS_PER_SECOND)
    rate = round(365 * 86_400 / seconds) if days_per_second is None else round(days_per_second * 86_400)
    lead_s = START_S + prepared.opening / OPERATIONS_PER_SECOND
    return ClockStart(month_start(1) - round(lead_s * rate) * 1_000, rate)


async def run(
    prepared: Prepared, manifest: TestnetManifest, directory: Path, say: Callable[[str], None], quiet: bool
) -> Result:
    """Replay the plan on a running network, and compare.

    Raises:
        DemoError: the replay cannot go on, or a validator is gone.
    """
    clock = clock_of(manifest)
    counters = Counters()
    async with open_brand_nodes(manifest) as gateways:
        couriers = [Courier(gateway, _author(manifest, gateway.brand), clock, counters) for gateway in gateways]
        replay = Replay(prepared.plan, couriers, clock, counters)
        started = time.monotonic()
        async with shown_progress(counters, prepared.operations, clock, gateways, quiet):
            await _first_failure(_live(replay))
        replayed = time.monotonic()
        say("recomputing every balance and debt from the parquet files, and asking the four validators")
        expected = await asyncio.to_thread(recompute, prepared.folder, prepared.wanted, prepared.seed)
        depth = Genesis.load(Path(manifest.genesis)).document.state_depth
        comparison = await compare(gateways, expected, depth)
        printed = await print_statements(gateways, directory / FOLDER, expected.books)
    return Result(
        manifest=manifest,
        directory=str(directory),
        baskets=len(set(prepared.lines.basket)),
        households=len(set(prepared.lines.household)),
        whole=prepared.lines.whole,
        seed=prepared.seed,
        plan=prepared.plan,
        counters=counters,
        seconds=replayed - started,
        checking_seconds=time.monotonic() - replayed,
        expected=expected,
        comparison=comparison,
        printed=printed,
    )


async def _live(replay: Replay) -> None:
    await replay.open()
    await replay.run()
    await replay.close()


async def _first_failure(work: Coroutine[Any, Any, None]) -> None:
    """Run; of the errors that a group of tasks ended with, raise the first."""
    try:
        await work
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None


def _author(manifest: TestnetManifest, brand: str) -> Author:
    account = manifest.account(f"{brand}-admin")
    return Author(manifest.chain, account.address, account.key())


def days_per_second(clock: ClockStart) -> float:
    """Return the clock's speed as people say it."""
    return clock.rate * 1_000 / MS_PER_DAY
