"""What a record costs: with one firing rule beside an issue, and with many campaigns of the brand.

python -m tests.bench.bench_campaign

Execution alone, on a chain in memory: CPU microseconds per operation, the best of several blocks of 500, and work
units. The state tree, the store and signatures come on top (tests.bench.bench_stages).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from tests.contract_harness import Op, account_of
from tests.support.campaigns import Shop

BLOCKS: Final = 12
TRANSACTIONS: Final = 5
OPERATIONS: Final = 100
"""Per transaction, as a till's back end batches them."""

MEMBERS: Final = 3_000

Make = Callable[[int, str], Op]
"""(number, member) → an operation."""


def measured(shop: Shop, make: Make, operations: int = OPERATIONS, blocks: int = BLOCKS) -> tuple[float, float]:
    """Return CPU microseconds of the best block, and work units, per operation."""
    chain, best, units, number = shop.chain, float("inf"), 0.0, 0
    for _ in range(blocks):
        transactions = []
        for _ in range(TRANSACTIONS):
            ops = [make(number + n, account_of(f"m{(number + n) % MEMBERS}")) for n in range(operations)]
            number += operations
            transactions.append(chain.transaction(account_of("aurora-issuer"), ops, ["aurora-issuer"]))
        began = time.process_time()
        result = chain.block(transactions)
        spent = time.process_time() - began
        for receipt in result.receipts:
            assert receipt.status == "ok", receipt.error
        best = min(best, spent / (TRANSACTIONS * operations) * 1e6)
        units = sum(receipt.cost for receipt in result.receipts) / (TRANSACTIONS * operations)
    return best, units


def record(shop: Shop, event: str = "purchase") -> Make:
    """Return what records a purchase of 25.00."""

    def make(number: int, member: str) -> Op:
        args: dict[str, Any] = {"brand": "aurora", "event": event, "member": member, "ref": f"{event}-{number}"}
        return "campaign.record", {**args, "at": shop.chain.time, "attrs": {"amount": 2_500}}

    return make


def issue(number: int, member: str) -> Op:
    """Issue 25 points with a reference."""
    return "token.issue", {"program": "miles", "to": member, "amount": 25, "ref": f"i{number}"}


def shop_with(own: int, others: int, when: str = "event.amount > 9000") -> Shop:
    """Return a shop with a firing rule and so many that do not, of the event and of others."""
    shop = Shop(watched=False)
    shop.create("fires", budget={"program": "miles", "amount": 10**12})
    for number in range(own - 1):
        shop.create(f"own-{number}", when=when)
    for number in range(others):
        shop.create(f"other-{number}", event="visit", when=when)
    return shop


def main() -> None:
    """Print the tables."""
    shop = shop_with(1, 0)
    for name, make in (
        ("token.issue with a ref", issue),
        ("campaign.record, one rule fires", record(shop)),
        ("campaign.record, no campaign", record(shop, "survey")),
    ):
        micros, units = measured(shop, make)
        print(f"{name:36} {micros:8.1f} us {units:8.0f} units")
    print("campaigns of the event / of another event")
    for own, others in ((1, 0), (10, 0), (100, 0), (1_000, 0), (1, 10), (1, 100), (1, 1_000)):
        shop = shop_with(own, others)
        operations = max(1, OPERATIONS // own)
        micros, units = measured(shop, record(shop), operations, 6)
        print(f"{own:6} / {others:6} {micros:10.1f} us {units:9.0f} units")


if __name__ == "__main__":
    main()
