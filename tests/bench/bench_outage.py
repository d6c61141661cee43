"""An outage under load: two of four real validators go down, and come back; how soon is the backlog gone?

    python -m tests.bench.bench_outage [--seconds 60] [--rate 150] [--json]

Without a quorum nothing becomes final, while clients go on sending to the two that are up, at the same rate as
before and after. They send transfers in small batches, and do not wait; one that is refused with POOL_FULL they
keep, as a till would, and send it again once there are blocks again.

What is printed: transfers accepted and refused; from the moment when the validators were started again, the seconds
until they are at the head, until the first block, and until the backlog is gone: until no validator holds more than
BACKLOG_SECONDS of load. That must be no longer than the outage (the exit code tells), and everything that was
accepted must be final in the end.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import aiohttp
import orjson

from tests.bench.accounts import Accounts, fund, rpc
from tests.support.network import LocalNetwork, Op, end_on_sigterm
from tests.support.programs import CREATE_PROGRAM
from vm.params import Params
from vm.transaction import encode_body, sign_body

VALIDATORS = 4
UP, DOWN = (0, 1), (2, 3)
BACKLOG_SECONDS = 1.0
"""At rest a pool holds what came in during one block interval and a bit."""

BATCHES_PER_SECOND = 20
LOOK_SECONDS = 0.25
BEFORE_SECONDS = 3.0
SETTLE_SECONDS = 20.0
GRACE = 3.0
"""So many times the outage's length the bench waits before it gives up."""

JSON = {"content-type": "application/json"}
POOL = re.compile(rb"^entente_mempool_transactions (\S+)$", re.M)
HEIGHT = re.compile(rb"^entente_height (\S+)$", re.M)
PARAMS = Params(account_cost_per_window=10**11, brand_cost_per_window=10**12)


@dataclass(slots=True)
class Outage:
    """What an outage showed; seconds count from when the validators were started again, None for never.

    Attributes:
        longest_pool: transactions that one validator held at most.
        pools: seconds and the fullest pool, as it emptied.
    """

    seconds: float
    rate: float
    accepted: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    longest_pool: int = 0
    ready_s: float | None = None
    first_block_s: float | None = None
    gone_s: float | None = None
    final: int = 0
    pools: list[tuple[float, int]] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether the backlog was gone in time, nothing was lost, and no refusal was but for want of room."""
        in_time = self.gone_s is not None and self.gone_s <= self.seconds
        # What a client was still waiting to hear of when the bench ended is final as well.
        return in_time and self.final >= self.accepted and set(self.refused) <= {"POOL_FULL"}


class Senders:
    """Clients that send transfers to the validators that are up, at a fixed rate."""

    def __init__(self, network: LocalNetwork, accounts: Accounts, outage: Outage) -> None:
        self._network = network
        self._accounts = accounts
        self._outage = outage
        self._numbers = iter(range(10**9))
        self._kept: collections.deque[str] = collections.deque()
        self.may_send_again = True

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Send until cancelled."""
        start = time.monotonic()
        size = max(1, round(self._outage.rate / BATCHES_PER_SECOND))
        async with asyncio.TaskGroup() as group:
            for turn in range(10**9):
                due = start + turn * size / self._outage.rate
                raws = list(self._next(size))
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                group.create_task(self._send(session, self._network.url(UP[turn % len(UP)]), raws))

    def _next(self, count: int) -> Iterator[str]:
        for _ in range(count):
            yield self._transfer(next(self._numbers))
        for _ in range(min(count, len(self._kept)) if self.may_send_again else 0):
            yield self._kept.popleft()

    def _transfer(self, number: int) -> str:
        sender, to = self._accounts.pair(number)
        ops: list[Op] = [("token.transfer", {"program": "miles", "to": to, "amount": 1})]
        expires = time.time_ns() // 1_000_000 + 590_000
        chain, own = self._network.manifest.chain, self._accounts.addresses[sender]
        return sign_body(encode_body(chain, own, number, expires, ops), [self._accounts.key(sender)]).hex()

    async def _send(self, session: aiohttp.ClientSession, url: str, raws: list[str]) -> None:
        batch = [rpc("tx_submit", {"tx": raw}, place) for place, raw in enumerate(raws)]
        async with session.post(url, data=orjson.dumps(batch)) as response:
            answers = orjson.loads(await response.read())
        for raw, answer in zip(raws, answers, strict=True):
            if "error" in answer:
                reason, refused = answer["error"]["data"]["reason"], self._outage.refused
                refused[reason] = refused.get(reason, 0) + 1
                self._kept.append(raw)
            else:
                self._outage.accepted += 1


async def play(network: LocalNetwork, accounts: Accounts, outage: Outage) -> None:
    """Send, stop two validators, start them again, and look until the backlog is gone."""
    senders = Senders(network, accounts, outage)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(headers=JSON, connector=connector) as session:
        sending = asyncio.create_task(senders.run(session))
        await asyncio.sleep(BEFORE_SECONDS)
        for index in DOWN:
            network.kill(index)
        senders.may_send_again = False
        await asyncio.sleep(outage.seconds)
        held = [await _look(session, network, index) for index in UP]
        outage.longest_pool = max(pool for pool, _ in held)
        stopped_at = max(height for _, height in held)
        for index in DOWN:
            network.start(index)
        began = time.monotonic()
        while outage.gone_s is None and time.monotonic() - began < outage.seconds * GRACE:
            assert not sending.done(), sending.exception()
            await asyncio.sleep(LOOK_SECONDS)
            await _judge(session, network, outage, began, stopped_at)
            senders.may_send_again = outage.first_block_s is not None
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await _until_empty(session, network)


async def _until_empty(session: aiohttp.ClientSession, network: LocalNetwork) -> None:
    for _ in range(round(SETTLE_SECONDS / LOOK_SECONDS)):
        if not any([(await _look(session, network, index))[0] for index in UP]):
            return
        await asyncio.sleep(LOOK_SECONDS)


async def _judge(
    session: aiohttp.ClientSession, network: LocalNetwork, outage: Outage, began: float, stopped_at: int
) -> None:
    """Note what has come true by now."""
    looks = [await _look(session, network, index) for index in range(VALIDATORS)]
    passed = time.monotonic() - began
    pools = [pool for pool, _ in looks]
    outage.pools.append((round(passed, 2), max(pools)))
    outage.longest_pool = max(outage.longest_pool, *pools)
    if outage.first_block_s is None and max(height for _, height in looks) > stopped_at:
        outage.first_block_s = passed
    if outage.ready_s is None and all(height >= stopped_at for _, height in looks):
        outage.ready_s = passed
    if outage.first_block_s is not None and max(pools) <= outage.rate * BACKLOG_SECONDS:
        outage.gone_s = passed


async def _look(session: aiohttp.ClientSession, network: LocalNetwork, index: int) -> tuple[int, int]:
    """Return a validator's pending transactions and its height; none and −1 while it is down."""
    try:
        async with session.get(f"{network.url(index)}/metrics") as response:
            text = await response.read()
    except (aiohttp.ClientError, OSError):
        return 0, -1
    pool, height = POOL.search(text), HEIGHT.search(text)
    assert pool is not None, text
    assert height is not None, text
    return int(float(pool[1])), int(float(height[1]))


def final_transfers(network: LocalNetwork, first: int) -> int:
    """Return how many transactions are in the blocks above a height."""
    heights = range(first + 1, network.height(0) + 1)
    return sum(network.call(0, "chain_block", height=at)["header"]["tx_count"] for at in heights)


def run(options: argparse.Namespace) -> Outage:
    """Play one outage on a fresh network."""
    outage = Outage(options.seconds, options.rate)
    folder = tempfile.TemporaryDirectory(prefix="entente-outage-")
    port = options.port or None
    with (
        folder as path,
        LocalNetwork(Path(path) / "net", ops=[CREATE_PROGRAM], params=PARAMS, rpc_port=port) as network,
    ):
        accounts = Accounts(options.accounts)
        fund(network, accounts)
        first = network.height(0)
        asyncio.run(play(network, accounts, outage))
        outage.final = final_transfers(network, first)
    return outage


def _told(outage: Outage) -> str:
    def seconds(value: float | None) -> str:
        return "never" if value is None else f"{value:.1f} s"

    refused = ", ".join(f"{count} {reason}" for reason, count in outage.refused.items()) or "none"
    return (
        f"outage of {outage.seconds:.0f} s at {outage.rate:.0f} transfers a second: {outage.accepted} accepted, "
        f"refused: {refused}; {outage.final} final; at most {outage.longest_pool} pending\n"
        f"after the restart: all validators at the head after {seconds(outage.ready_s)}, the first block after "
        f"{seconds(outage.first_block_s)}, the backlog gone after {seconds(outage.gone_s)}"
    )


def main() -> int:
    """Run and print; 1 where the backlog took longer than the outage, or anything was lost."""
    end_on_sigterm()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the outage")
    parser.add_argument("--rate", type=float, default=150.0, help="transfers a second, all the time")
    parser.add_argument("--accounts", type=int, default=2_000)
    parser.add_argument("--port", type=int, default=0, help="the first port; 0 takes free ones")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    outage = run(options)
    sys.stdout.write((orjson.dumps(asdict(outage)).decode() if options.json else _told(outage)) + "\n")
    return 0 if outage.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
