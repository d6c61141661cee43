"""How what the ledger's calls and views cost grows: with lots, with accounts, with treaties, with obligations.

Run: .venv/bin/python -m tests.bench.bench_ledger [--accounts 1000,1000000] [--rounds N]

Chains in temporary folders, on real stores. CPU time of one call, medians; signatures, tree and commit are not in
it (`bench_stages` has them).

    lots       a transfer of 1 point, and `token_balance`, of accounts with 1 to 4,000 live lots
    accounts   the same among so many accounts with one lot each
    quote      `swap_quote` among 50 programs with 500 treaties, the best of up to 4 hops
    close      50 brands that all owe each other, by the agenda in one block

A balance lists its lots, so it grows with them.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contracts_py.clearing.periods import end_of, period_of
from tests.bench.bench_stages import PARAMS, Stock, StockedChain, account
from tests.support.ledger import START_MS, LocalChain, Op, address_of, program_op
from vm.block_execution import BlockContext, BlockExecution
from vm.contract_api import Context
from vm.state_view import BlockOverlay
from vm.transaction import parse_transaction

DAY = 86_400_000
TRANSACTIONS = 500
BRANDS = [f"brand{n:02}" for n in range(50)]
TREATIES_OUT = 10


def view(chain: LocalChain, name: str, **args: Any) -> float:
    """Return the CPU µs that a view takes at the head."""
    context = Context(
        BlockOverlay(chain.store.reader),
        chain.genesis.chain,
        chain.height,
        chain.ledger.head_time,
        10**9,
        read_only=True,
    )
    begun = time.thread_time()
    chain.runtime.invoke_view(context, name, args)
    return (time.thread_time() - begun) * 1e6


def transfers(chain: LocalChain, used: int, salt: int) -> float:
    """Return CPU µs to execute a transfer, of a block of them that is not committed."""
    raws = []
    for i in range(TRANSACTIONS):
        to = address_of(f"holder-{(i * 7 + salt + 1) % used}")
        sender = f"holder-{(i * 7 + salt) % used}"
        raws.append(chain.sign(sender, [("token.transfer", {"program": "miles", "to": to, "amount": 1})]))
    parsed = [parse_transaction(raw) for raw in raws]
    head = chain.ledger.head_time
    context = BlockContext(chain.genesis.chain, chain.height + 1, head + 200, head)
    gc.collect()
    execution = BlockExecution(chain.runtime, chain.store.reader, context, parsed)
    begun = time.thread_time()
    execution.run(len(parsed))
    taken = time.thread_time() - begun
    failed = [receipt.error for receipt in execution.result().receipts if receipt.status != "ok"]
    assert not failed, failed[0]
    return taken / TRANSACTIONS * 1e6


def rounds_of(measure: Callable[[int], float], rounds: int) -> float:
    """Return the median of several rounds, of which the first is for the caches only."""
    measure(0)
    return statistics.median(measure(n + 1) for n in range(rounds))


def grow(rounds: int, stocks: list[tuple[str, Stock]]) -> None:
    """Print what transfers and balances cost on chains with these stocks; rounds take turns among them."""
    with tempfile.TemporaryDirectory(prefix="entente-ledger-") as folder:
        chains = []
        for name, stock in stocks:
            begun = time.perf_counter()
            gc.disable()
            chains.append((name, stock, StockedChain(Path(folder) / name, PARAMS, stock)))
            gc.enable()
            print(f"  {name}: prepared in {time.perf_counter() - begun:.0f} s", flush=True)
        chance = random.Random(1)
        found: dict[str, list[tuple[float, float, float]]] = {name: [] for name, _, _ in chains}
        for turn in range(rounds + 1):
            for name, stock, chain in chains:
                some = [account(chance.randrange(stock.used), stock.used) for _ in range(50)]
                shown = statistics.median(view(chain, "token_balance", program="miles", account=a) for a in some)
                totals = statistics.median(view(chain, "token_balances", account=a) for a in some)
                if turn:
                    found[name].append((transfers(chain, stock.used, turn), shown, totals))
                else:
                    transfers(chain, stock.used, turn)
        print(f"  {'':14} transfer  balance balances   CPU µs; against the first")
        first = [statistics.median(column) for column in zip(*found[chains[0][0]], strict=True)]
        for name, _, chain in chains:
            medians = [statistics.median(column) for column in zip(*found[name], strict=True)]
            ratios = "  ".join(f"{a / b:5.2f}" for a, b in zip(medians, first, strict=True))
            print(f"  {name:14} {medians[0]:8.1f} {medians[1]:8.1f} {medians[2]:8.1f}   {ratios}", flush=True)
            chain.close()


def treaty_ops() -> list[Op]:
    """Return genesis operations: 50 brands with a program each, 500 treaties, none of which makes points."""
    ops: list[Op] = []
    for brand in BRANDS:
        admin = address_of(f"{brand}-admin")
        ops.append(("identity.register_brand", {"brand": brand, "name": brand, "admins": [admin]}))
        ops.append(program_op(f"{brand}-points", brand))
    for place, brand in enumerate(BRANDS):
        for step in range(1, TREATIES_OUT + 1):
            other = BRANDS[(place + step * 4 + 1) % len(BRANDS)]
            terms = {
                "treaty": f"{brand}-{step}",
                "from_program": f"{brand}-points",
                "to_program": f"{other}-points",
                "rate": [97, 100],
                "fee_bps": step,
                "limits": {"member_day": 10**9},
                "valid_from": START_MS,
                "valid_to": START_MS + 365 * DAY,
            }
            ops += [("swap.propose", terms), ("swap.accept", {"treaty": terms["treaty"]})]
    return ops


def quotes(rounds: int) -> None:
    """Print what quotes take."""
    with tempfile.TemporaryDirectory(prefix="entente-ledger-") as folder:
        chain = LocalChain(Path(folder), treaty_ops(), PARAMS)
        pairs = [(a, b) for a in BRANDS for b in BRANDS if a != b]
        random.Random(2).shuffle(pairs)

        def one(turn: int) -> float:
            source, target = (f"{brand}-points" for brand in pairs[turn])
            return view(chain, "swap_quote", from_program=source, to_program=target, amount=1_000_000)

        one(0)
        times = sorted(one(turn) / 1e3 for turn in range(20 * rounds))
        treaties = len(BRANDS) * TREATIES_OUT
        print(f"  {len(BRANDS)} programs, {treaties} treaties: median {statistics.median(times):.1f} ms", end=", ")
        print(f"slowest of {len(times)} {times[-1]:.1f} ms", flush=True)
        chain.close()


def closing() -> None:
    """Print what closing a period among 50 brands takes that all owe each other."""
    ops = treaty_ops()
    for brand in BRANDS:
        for other in BRANDS:
            if brand != other:
                limit = {"creditor": brand, "debtor": other, "currency": "EUR", "amount": 10**9}
                ops.append(("clearing.set_credit_limit", limit))
                ops.append(("token.partner", {"program": f"{brand}-points", "at_brand": other}))
    for place, brand in enumerate(BRANDS):
        admin = address_of(f"{brand}-admin")
        ops.append(("identity.grant_role", {"brand": brand, "role": "cashier", "account": admin}))
        shopper = address_of(f"holder-{place}")
        ops.append(("token.issue", {"program": f"{brand}-points", "to": shopper, "amount": 10**6}))
    with tempfile.TemporaryDirectory(prefix="entente-ledger-") as folder:
        chain = LocalChain(Path(folder), ops, PARAMS)
        booked = 0
        for place, brand in enumerate(BRANDS):
            allow = {"program": f"{brand}-points", "limit": 10**6, "expires": START_MS + 300 * DAY}
            others = [other for other in BRANDS if other != brand]
            chain.commit(
                [chain.sign(f"holder-{place}", [("token.allow", {**allow, "spender": other})]) for other in others]
            )
            raws = []
            for number, other in enumerate(others):
                args = {
                    "program": f"{brand}-points",
                    "from": address_of(f"holder-{place}"),
                    "amount": 1 + (place * 7 + number * 13) % 997,
                    "at_brand": other,
                    "ref": f"{brand}-{number}",
                }
                raws.append(chain.sign(f"{other}-admin", [("token.redeem", args)]))
            receipts = chain.commit(raws)
            assert all(receipt.status == "ok" for receipt in receipts), receipts[0].error
            booked += len(raws)
        month = period_of(chain.ledger.head_time)
        chain.commit(time=end_of(month) - 200)
        begun = time.thread_time()
        receipts = chain.commit()
        taken = (time.thread_time() - begun) * 1e3
        payments = sum(event.type == "clearing.payment_due" for event in receipts[-1].events)
        assert payments, [event.type for event in receipts[-1].events]
        units = receipts[-1].cost
        print(f"  {booked:,} pairs: {payments} payments, {units:,} units, {taken:.1f} ms CPU for the whole block")
        chain.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--accounts", default="1000,100000", help="numbers of accounts, separated by commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="lots,accounts,quote,close", help="parts, separated by commas")
    options = parser.parse_args()
    parts = options.only.split(",")
    if "lots" in parts:
        print("lots per account")
        grow(options.rounds, [(f"{lots} lots", Stock(0, 100, lots, 4)) for lots in (1, 10, 100, 1_000, 4_000)])
    if "accounts" in parts:
        print("accounts")
        sizes = [int(size) for size in options.accounts.split(",")]
        grow(options.rounds, [(f"{size} accounts", Stock(size, 1_000, 1, 4)) for size in sizes])
    if "quote" in parts:
        print("quote")
        quotes(options.rounds)
    if "close" in parts:
        print("close")
        closing()


if __name__ == "__main__":
    main()
