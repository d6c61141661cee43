"""What a transaction of a full block costs a validator, stage by stage: parse, execute, tree and encoding, commit.

Run: .venv/bin/python -m tests.bench.bench_stages [--accounts N] [--used N] [--lots N] [--blocks N]
         [--depth N] [--ops N] [--only transfer,record] [--expire]

Blocks of 2,000 transfers, issues with a reference, redemptions with a reference, and records of purchases for which
one rule fires, by tills of one brand, on a real store in a temporary folder; `--ops` of them in a transaction.
Signatures are not in it (`bench_metering` has them). CPU time, medians over blocks. `--accounts` is how many hold
points, `--used` how many of them the blocks touch, `--lots` how many lots each of these has.

`--expire` lets the first lot of all accounts expire on one day, under default parameters, and measures full blocks
before it and while the agenda removes them: a block that works off the agenda has room for fewer transactions.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from genesis.document import DEFAULT_STATE_DEPTH
from tests.support.ledger import START_MS, LocalChain, Op, address_of, program_op
from vm.agenda import agenda_budget, is_anything_due
from vm.genesis_state import GenesisState, genesis_changes
from vm.params import Params
from vm.primitives.address import address_of_key
from vm.primitives.hashing import sha256
from vm.transaction import parse_transaction

TRANSACTIONS = 2_000
DAY = 86_400_000
PARAMS = Params(
    round_timeout_ms=600_000,
    round_timeout_max_ms=600_000,
    max_block_cost=100_000_000,
    max_tx_cost=50_000_000,
    account_cost_per_window=10**11,
    brand_cost_per_window=10**12,
)

Make = Callable[[LocalChain, int, int], tuple[str, Op]]
"""(chain, number, used accounts) → who sends, and the operation."""


def transfer(chain: LocalChain, i: int, used: int) -> tuple[str, Op]:
    """Return a transfer between two accounts that hold points."""
    to = address_of(f"holder-{(i + 1 + i // used % (used - 1)) % used}")
    return f"holder-{i % used}", ("token.transfer", {"program": "miles", "to": to, "amount": 1})


def issue(chain: LocalChain, i: int, used: int) -> tuple[str, Op]:
    """Return an issue with a reference."""
    args = {"program": "miles", "to": address_of(f"holder-{i % used}"), "amount": 1, "ref": f"order-{i}"}
    return "aurora-admin", ("token.issue", args)


def redeem(chain: LocalChain, i: int, used: int) -> tuple[str, Op]:
    """Return a redemption that the holder allows by an allowance."""
    args = {"program": "miles", "from": address_of(f"holder-{i % used}"), "amount": 1, "at_brand": "aurora"}
    return "aurora-admin", ("token.redeem", {**args, "ref": f"till-{i}"})


def record(chain: LocalChain, i: int, used: int) -> tuple[str, Op]:
    """Return a purchase for which one rule fires."""
    args = {"brand": "aurora", "event": "purchase", "member": address_of(f"holder-{i % used}"), "ref": f"p-{i}"}
    attrs = {"amount": 2_550, "channel": "store"}
    return "aurora-admin", ("campaign.record", {**args, "at": chain.ledger.head_time, "attrs": attrs})


MAKES: dict[str, Make] = {"transfer": transfer, "issue": issue, "redeem": redeem, "record": record}

CAMPAIGN: Op = (
    "campaign.create",
    {
        "campaign": "bench",
        "brand": "aurora",
        "event": "purchase",
        "when": "event.amount >= 100",
        "then": [{"issue": {"program": "miles", "amount": "event.amount / 100"}}],
        "starts": START_MS,
        "ends": START_MS + 100 * DAY,
        "budget": {"program": "miles", "amount": 10**12},
        "priority": 0,
    },
)


def signed(chain: LocalChain, make: Make, first: int, used: int, ops: int) -> bytes:
    """Return a transaction of some operations by one sender."""
    made = [make(chain, first + n, used) for n in range(ops)]
    sender = made[0][0] if ops == 1 else "aurora-admin"
    return chain.sign(sender, [op for _, op in made])


def account(number: int, used: int) -> str:
    """Return a holder's address; keys are made of those only that sign."""
    return address_of(f"holder-{number}") if number < used else address_of_key(sha256(b"holder-%d" % number))


class Stock(NamedTuple):
    """How many accounts hold points, how many of them are used, with how many lots, and the tree's depth."""

    accounts: int
    used: int
    lots: int
    depth: int


class StockedChain(LocalChain):
    """A chain whose genesis operations issue points to accounts: one lot each, more to the used ones."""

    def __init__(self, folder: Path, params: Params, stock: Stock) -> None:
        self._accounts, self._used, self._lots = max(stock.accounts, stock.used), stock.used, stock.lots
        program = program_op("miles", "aurora", expiry={"kind": "days", "days": 3_000})
        super().__init__(folder, [program, CAMPAIGN], params, state_depth=stock.depth)

    def genesis_state(self) -> GenesisState:
        """Execute the document's operations, and then those that are too many for a document."""
        document = self.genesis.document
        ops = itertools.chain(document.ops, self._issues())
        validators = self.genesis.validators
        return genesis_changes(
            self.runtime, self.genesis.chain, document.time, document.params, validators, (), ops
        )

    def _issues(self) -> Iterator[Op]:
        # By day, then by account: as purchases of years would come.
        for lot in range(self._lots):
            expires = START_MS + (lot + 2) * DAY
            for number in range(self._used if lot else self._accounts):
                to = account(number, self._used)
                yield "token.issue", {"program": "miles", "to": to, "amount": 1_000, "expires": expires}
        yield "token.issue", {"program": "miles", "to": address_of("aurora-admin"), "amount": 10**12}


def prepared(folder: Path, params: Params, stock: Stock) -> LocalChain:
    """Return a chain on which accounts hold points that the brand may redeem, and say how it was made."""
    begun = time.perf_counter()
    gc.disable()  # Each collection would walk through millions of cells that stay.
    chain = StockedChain(folder, params, stock)
    gc.enable()
    terms = {"program": "miles", "spender": "aurora", "limit": 10**6, "expires": 2**53 - 1}
    for first in range(0, stock.used, 200):
        numbers = range(first, min(first + 200, stock.used))
        receipts = chain.commit([chain.sign(f"holder-{n}", [("token.allow", terms)]) for n in numbers])
        assert all(receipt.status == "ok" for receipt in receipts)
    keys = sum(1 for _ in chain.store.state_values())
    print(f"{stock.accounts:,} accounts by operations of genesis, not by blocks: {keys:,} keys", end=", ")
    print(f"in {time.perf_counter() - begun:.0f} s", flush=True)
    return chain


def measure(chain: LocalChain, make: Make, used: int, blocks: int, ops: int) -> list[float]:
    """Return CPU µs per operation for each stage."""
    rows = []
    for block in range(blocks):
        starts = range(block * TRANSACTIONS, (block + 1) * TRANSACTIONS, ops)
        raws = [signed(chain, make, start, used, ops) for start in starts]
        gc.collect()
        marks = [time.process_time()]
        transactions = [parse_transaction(raw) for raw in raws]
        marks.append(time.process_time())
        candidate = chain._candidate(transactions, chain.ledger.head_time + 200)
        execution = chain.ledger.execute(candidate, transactions)
        execution.run(TRANSACTIONS)
        marks.append(time.process_time())
        executed = execution.finish()
        marks.append(time.process_time())
        certificate = chain._certificate(candidate.header, executed.roots)
        begun = time.process_time()
        chain.ledger.commit(executed, certificate)
        ended = time.process_time()
        failed = [receipt.error for receipt in executed.result.receipts if receipt.status != "ok"]
        assert not failed, failed[0]
        stages = [b - a for a, b in itertools.pairwise(marks)]
        rows.append([seconds / TRANSACTIONS * 1e6 for seconds in [*stages, ended - begun]])
    return [statistics.median(column) for column in zip(*rows, strict=True)]


def measure_expiry(chain: LocalChain, used: int, blocks: int) -> None:
    """Print what full blocks take before, while, and after the first lots expire."""
    params = chain.ledger.params
    room = params.max_block_cost - params.max_tx_cost
    numbers = itertools.count(1_000_000)
    (probe, _) = chain.commit([signed(chain, transfer, next(numbers), used, 1)])

    def block(units: int, time_ms: int) -> tuple[float, int, int]:
        count = units // (probe.cost + 20)
        transactions = [parse_transaction(signed(chain, transfer, next(numbers), used, 1)) for _ in range(count)]
        gc.collect()
        begun = time.process_time()
        receipts = chain.commit_parsed(transactions, time_ms)
        ended = time.process_time()
        assert all(receipt.status == "ok" for receipt in receipts), receipts[0].error
        return ended - begun, len(transactions), receipts[-1].cost

    usual = [block(room, chain.ledger.head_time + 200) for _ in range(blocks)]
    usual_ms = statistics.median(row[0] for row in usual) * 1e3
    print(f"usual: {usual_ms:.0f} ms for {usual[0][1]} transfers", flush=True)
    chain.commit(time=START_MS + 2 * DAY - 100)
    during = [block(room - 2 * agenda_budget(params), chain.ledger.head_time + 200)]
    while is_anything_due(chain.store.reader, chain.ledger.head_time):
        during.append(block(room - 2 * agenda_budget(params), chain.ledger.head_time + 200))
    agenda = max(row[2] for row in during)
    print(f"expiring: {len(during)} blocks of {during[0][1]} transfers, at most {agenda} units of agenda,")
    print(f"    {spread([row[0] * 1e3 for row in during], usual_ms)}", flush=True)
    after = [block(room, chain.ledger.head_time + 200) for _ in range(blocks)]
    print(f"after: {statistics.median(row[0] for row in after) * 1e3:.0f} ms for {after[0][1]} transfers")


def spread(times: list[float], usual: float) -> str:
    """Say how far times (ms) lie apart, and how many are over twice the usual one."""
    ordered, slow = sorted(times), sum(ms > 2 * usual for ms in times)
    most = ordered[-1 - len(ordered) // 100]
    return (
        f"median {statistics.median(times):.0f} ms, 99 % within {most:.0f} ms, slowest {ordered[-1]:.0f} ms; "
        f"{slow} took over twice the usual time"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--accounts", type=int, default=2_000)
    parser.add_argument("--used", type=int, default=2_000)
    parser.add_argument("--lots", type=int, default=1)
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--depth", type=int, default=DEFAULT_STATE_DEPTH, help="the tree has 16^depth buckets")
    parser.add_argument("--ops", type=int, default=1, help="operations of a transaction")
    parser.add_argument("--only", default=",".join(MAKES))
    parser.add_argument("--expire", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="entente-stages-") as folder:
        if options.expire:
            params = Params(account_cost_per_window=10**11, brand_cost_per_window=10**12)
            chain = prepared(Path(folder), params, Stock(options.accounts, options.used, 2, options.depth))
            measure_expiry(chain, options.used, options.blocks)
            chain.close()
            return
        stock = Stock(options.accounts, options.used, options.lots, options.depth)
        chain = prepared(Path(folder), PARAMS, stock)
        print(f"{'':9}   parse  execute    tree  commit     all   CPU µs per operation")
        for name in options.only.split(","):
            found = measure(chain, MAKES[name], options.used, options.blocks, options.ops)
            parse, execute, tree, commit = found
            print(f"{name:9} {parse:7.1f} {execute:8.1f} {tree:7.1f} {commit:7.1f} {sum(found):7.1f}", flush=True)
        chain.close()


if __name__ == "__main__":
    main()
