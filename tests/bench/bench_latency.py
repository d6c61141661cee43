"""What reads do to the latency of light load: four validators, single transfers, and one kind of read at a time.

    python -m tests.bench.bench_latency [--seconds 5] [--only proof,metrics] [--rate 100] [--readers 4] [--json]

Transfers come open-loop at a fixed rate, to all validators in turn, all the time. Beside them a few readers ask one
validator for one kind of read after the other (`heavy_reads`), each reader again as soon as it is answered, but no
more often than READS_PER_SECOND. Before each kind there is as long a time without reads, with which it is compared.

What is printed for each kind:

    alone, beside   p50 and p99 of the transfers, of all validators, in ms; from being due to being final
    at it           the same beside the reads, of those transfers that the validator took that reads
    reads           how many were answered, and their p50
    turns           that validator's turns of the event loop that took longer than 10, 20 and 50 ms; in brackets
                    those of the time alone

The last line has the greatest growth. Machines are shared: a p99 of some hundred transfers is one slow block.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from rich.console import Console
from rich.table import Table

from tests.bench.accounts import Accounts, rpc
from tests.bench.heavy_reads import HeavyState, Kind
from tests.support.network import LocalNetwork, end_on_sigterm
from tests.support.programs import CREATE_PROGRAM
from vm.params import Params
from vm.transaction import encode_body, sign_body

VALIDATORS = 4
READ_AT = 0
READS_PER_SECOND = 20.0
"""Of all readers: what a page that shows lists and statements asks for at its busiest."""

NEWCOMER = "a newcomer's block sync"
NEWCOMER_SECONDS = 8.0
"""It takes some seconds until it is started."""

BOUNDS_MS = (10, 20, 50)
JSON = {"content-type": "application/json"}
TURNS = re.compile(rb'^entente_loop_turns\{ms="(\S+)"\} (\S+)$', re.M)
PARAMS = Params(account_cost_per_window=10**11, brand_cost_per_window=10**12)


@dataclass(frozen=True, slots=True)
class Spell:
    """What a span of time showed.

    Attributes:
        latencies: ms of each transfer that was due in it, and whether the validator took it that reads.
        turns: of the loop, longer than each of BOUNDS_MS.
        read_ms: of each read.
    """

    latencies: list[tuple[float, bool]] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)
    read_ms: list[float] = field(default_factory=list)

    def cuts(self, *, at_it: bool = False) -> tuple[float, float]:
        """Return p50 and p99, ms."""
        found = [ms for ms, is_at_it in self.latencies if is_at_it or not at_it]
        quantiles = statistics.quantiles(found, n=100, method="inclusive")
        return quantiles[49], quantiles[98]


@dataclass(frozen=True, slots=True)
class Row:
    """A kind of read, the time before it, and the time beside it."""

    kind: str
    alone: Spell
    beside: Spell

    @property
    def growth(self) -> tuple[float, float]:
        """By how much p50 and p99 are longer beside the reads, ms."""
        (p50, p99), (p50_beside, p99_beside) = self.alone.cuts(), self.beside.cuts()
        return p50_beside - p50, p99_beside - p99


class Bench:
    """The transfers and the readers, on one event loop beside the network."""

    def __init__(self, network: LocalNetwork, accounts: Accounts, rate: float, readers: int) -> None:
        self._network = network
        self._accounts = accounts
        self._rate = rate
        self._readers = readers
        self._numbers = iter(range(10**9))
        self._spell = Spell()

    async def run(self, kinds: Sequence[Kind], seconds: float, newcomer: int | None) -> list[Row]:
        """Measure each kind, and the newcomer last."""
        rows = []
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(headers=JSON, connector=connector) as session:
            sending = asyncio.create_task(self._send(session))
            await self._measure(session, None, 2.0)
            for kind in kinds:
                alone = await self._measure(session, None, seconds)
                rows.append(Row(kind.name, alone, await self._measure(session, kind, seconds)))
            if newcomer is not None:
                alone = await self._measure(session, None, seconds)
                self._network.start(newcomer)
                rows.append(Row(NEWCOMER, alone, await self._measure(session, None, NEWCOMER_SECONDS)))
                assert self._network.height(newcomer) > 0, "the newcomer has not begun to sync"
                self._network.kill(newcomer)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        return rows

    async def _measure(self, session: aiohttp.ClientSession, kind: Kind | None, seconds: float) -> Spell:
        before = await self._turns(session)
        spell = self._spell = Spell()
        end = time.monotonic() + seconds
        readers = self._readers if kind is not None else 0
        await asyncio.gather(
            asyncio.sleep(seconds), *(self._read(session, kind, end, spell) for _ in range(readers) if kind)
        )
        after = await self._turns(session)
        await asyncio.sleep(1.0)  # what is on its way ends before the next span begins
        spell.turns.extend(b - a for a, b in zip(before, after, strict=True))
        return spell

    async def _turns(self, session: aiohttp.ClientSession) -> list[int]:
        async with session.get(f"{self._network.url(READ_AT)}/metrics") as response:
            found = {name.decode(): int(float(value)) for name, value in TURNS.findall(await response.read())}
        return [found["+Inf"] - found[str(bound)] for bound in BOUNDS_MS]

    async def _read(self, session: aiohttp.ClientSession, kind: Kind, end: float, spell: Spell) -> None:
        url = self._network.url(READ_AT) + kind.path
        pause = self._readers / READS_PER_SECOND
        while (begun := time.monotonic()) < end:
            method = "POST" if kind.body else "GET"
            async with session.request(method, url, data=kind.body or None) as response:
                await response.read()
            spell.read_ms.append((time.monotonic() - begun) * 1_000)
            await asyncio.sleep(max(0.0, begun + pause - time.monotonic()))

    async def _send(self, session: aiohttp.ClientSession) -> None:
        start = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in self._numbers:
                due = start + number / self._rate
                body = self._transfer(number)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                group.create_task(self._one(session, number % VALIDATORS, body, due, self._spell))

    def _transfer(self, number: int) -> bytes:
        sender, to = self._accounts.pair(number)
        ops = [("token.transfer", {"program": "miles", "to": to, "amount": 1})]
        expires = time.time_ns() // 1_000_000 + 60_000
        chain = self._network.manifest.chain
        raw = sign_body(
            encode_body(chain, self._accounts.addresses[sender], number, expires, ops), [self._accounts.key(sender)]
        )
        return orjson.dumps(rpc("tx_send", {"tx": raw.hex(), "timeout_ms": 30_000}))

    async def _one(self, session: aiohttp.ClientSession, index: int, body: bytes, due: float, spell: Spell) -> None:
        async with session.post(self._network.url(index), data=body) as response:
            answer = orjson.loads(await response.read())
        assert answer.get("result", {}).get("status") == "ok", answer
        spell.latencies.append(((time.monotonic() - due) * 1_000, index == READ_AT))


def run(options: argparse.Namespace) -> list[Row]:
    """Fill a network and measure the kinds that are wanted."""
    wanted = [part.strip() for part in options.only.split(",")] if options.only else []

    def is_wanted(name: str) -> bool:
        return not wanted or any(part in name for part in wanted)

    port = options.port or None
    folder = tempfile.TemporaryDirectory(prefix="entente-latency-")
    with (
        folder as path,
        LocalNetwork(Path(path) / "net", ops=[CREATE_PROGRAM], params=PARAMS, rpc_port=port) as network,
    ):
        accounts = Accounts(options.accounts)
        state = HeavyState(network, accounts, options.lots, options.full)
        state.fill()
        kinds = [kind for kind in state.kinds() if is_wanted(kind.name)]
        newcomer = permitted_newcomer(network, accounts) if is_wanted(NEWCOMER) else None
        bench = Bench(network, accounts, options.rate, options.readers)
        return asyncio.run(bench.run(kinds, options.seconds, newcomer))


def permitted_newcomer(network: LocalNetwork, accounts: Accounts) -> int:
    """Let the alliance permit a node, and make its home; return its index."""
    key = accounts.key(0)
    actions = [{"action": "add_node", "key": key.public_key.hex()}]
    network.send(0, "aurora-admin", ("gov.propose", {"proposal": "node", "title": "A node", "actions": actions}))
    for brand in ("aurora", "basil", "comet"):
        network.send(0, f"{brand}-admin", ("gov.vote", {"proposal": "node", "choice": "yes"}))
    return network.add_home("newcomer", "aurora", key)


def table(rows: Sequence[Row]) -> Table:
    """Return the rows for people."""
    found = Table("read", "alone", "beside", "growth", "at it", "reads", "ms", "turns > 10, 20, 50 ms")
    for row in rows:
        reads = row.beside.read_ms
        found.add_row(
            row.kind,
            _pair(row.alone.cuts()),
            _pair(row.beside.cuts()),
            _pair(row.growth),
            _pair(row.beside.cuts(at_it=True)),
            str(len(reads)),
            f"{statistics.median(reads):.0f}" if reads else "",
            f"{row.beside.turns} ({row.alone.turns})",
        )
    return found


def _pair(cuts: tuple[float, float]) -> str:
    return f"{cuts[0]:.0f} / {cuts[1]:.0f}"


def as_json(row: Row) -> dict[str, Any]:
    """Return a row for machines."""
    return {"kind": row.kind, "growth": row.growth, "alone": asdict(row.alone), "beside": asdict(row.beside)}


def main() -> int:
    """Run and print."""
    end_on_sigterm()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="of each span, without and with reads")
    parser.add_argument("--only", default="", help="kinds whose names contain this, separated by commas")
    parser.add_argument("--rate", type=float, default=100.0, help="transfers a second")
    parser.add_argument("--readers", type=int, default=4)
    parser.add_argument("--lots", type=int, default=3_000)
    parser.add_argument("--full", type=int, default=2_000, help="transfers that are to fill a block")
    parser.add_argument("--accounts", type=int, default=3_000)
    parser.add_argument("--port", type=int, default=0, help="the first port; 0 takes free ones")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = run(options)
    if options.json:
        sys.stdout.write(orjson.dumps([as_json(row) for row in rows]).decode() + "\n")
        return 0
    console = Console(width=160)
    console.print(table(rows))
    worst = {part: max(rows, key=lambda row: row.growth[place]) for place, part in enumerate(("p50", "p99"))}
    for place, (part, row) in enumerate(worst.items()):
        console.print(f"{part} grows most by {row.growth[place]:.0f} ms, beside {row.kind}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
