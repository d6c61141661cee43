"""Showing how the replay gets on: a live bar on a terminal, a line now and then elsewhere, on standard error.

Standard output stays free for the result.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from node.client import ClientError
from node.demo.brand_nodes import BrandNode
from node.demo.courier import Counters
from node.demo.plan import MS_PER_DAY
from node.runtime.clock import BlockClock
from node.terminal.output import utc

REFRESH_S: Final = 0.5
LINE_EVERY_S: Final = 10.0
WIDTH: Final = 160
"""Of lines in a pipe: none is broken."""

USUAL_LAG_DAYS: Final = 5
"""Less is a block or two, and not worth a word."""

RATE_OVER: Final = 10
"""Refreshes over which operations per second are averaged."""


@asynccontextmanager
async def shown_progress(
    counters: Counters, total: int, clock: BlockClock, gateways: Sequence[BrandNode], quiet: bool
) -> AsyncIterator[None]:
    """Show the counters until the context ends."""
    terminal = sys.stderr.isatty()
    console = Console(stderr=True, width=None if terminal else WIDTH)
    bar = Progress(
        TextColumn("[bold]{task.fields[date]}"),
        BarColumn(20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[words]}"),
        TimeElapsedColumn(),
        console=console,
        disable=quiet or not terminal,
    )
    task = bar.add_task("year", total=total, date="", words="")
    meter = _Meter(counters, clock, gateways)

    def planned() -> int:
        return total + counters.unplanned

    async def refresh() -> None:
        last_line = asyncio.get_running_loop().time()
        while True:
            date, words = await meter.read()
            bar.update(task, completed=counters.operations, total=planned(), date=date, words=words)
            now = asyncio.get_running_loop().time()
            if not quiet and not terminal and now - last_line >= LINE_EVERY_S:
                last_line = now
                console.print(f"{date}  {counters.operations:,}/{planned():,} operations  {words}", highlight=False)
            await asyncio.sleep(REFRESH_S)

    with bar:
        ticker = asyncio.create_task(refresh())
        try:
            yield
        finally:
            ticker.cancel()
            with suppress(asyncio.CancelledError):
                await ticker
            bar.update(task, completed=counters.operations, total=planned())


class _Meter:
    """Reads rates and heights."""

    def __init__(self, counters: Counters, clock: BlockClock, gateways: Sequence[BrandNode]) -> None:
        self._counters = counters
        self._clock = clock
        self._gateways = gateways
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=RATE_OVER)

    async def read(self) -> tuple[str, str]:
        """Return the chain's date, and what goes on in words."""
        now = asyncio.get_running_loop().time()
        counters = self._counters
        self._samples.append((now, counters.operations, counters.transactions))
        since, operations, transactions = self._samples[0]
        elapsed = max(now - since, REFRESH_S)
        heights = await asyncio.gather(*[_height(gateway) for gateway in self._gateways])
        words = (
            f"{(counters.operations - operations) / elapsed:,.0f} op/s, "
            f"{(counters.transactions - transactions) / elapsed:,.0f} tx/s, height {_span(heights)}"
        )
        behind = counters.behind_ms // MS_PER_DAY
        if behind >= USUAL_LAG_DAYS:
            words += f", {behind} days behind"
        return utc(self._clock.now_ms())[:10], words


async def _height(gateway: BrandNode) -> int | None:
    try:
        header = (await gateway.call("chain_head"))["header"]
    except ClientError:
        return None
    return 0 if header is None else int(header["height"])


def _span(heights: Sequence[int | None]) -> str:
    """Return the validators' heights in few words: 120, 120–121, or 120–121 of 3 validators."""
    known = [height for height in heights if height is not None]
    if not known:
        return "unknown"
    span = str(min(known)) if min(known) == max(known) else f"{min(known)}–{max(known)}"
    return span if len(known) == len(heights) else f"{span} of {len(known)} validators"
