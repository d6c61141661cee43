"""Work units against time: each unit of the table, and the most expensive blocks that may be proposed.

Run: .venv/bin/python -m tests.bench.bench_metering [--units | --blocks]

`--units` gives one operation after the other to a contract made for it, on a real store in a temporary folder, and
takes from each block's CPU time that of the same transactions without the operation. `--blocks` fills blocks up to
the default `max_block_cost`, or the block's bytes or places, with what was found to cost most for its work
units, and measures all that a validator does with a block whose transactions it has never seen: parse, verify,
judge, execute, commit to the tree, write. SPEC section 3 allows a quarter of `round_timeout_ms` for a full block.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from contracts_py.registry import contracts
from node.store import StoreOptions
from tests.support.ledger import LocalChain, address_of, key_of, program_op
from vm import metering
from vm.contract_api import (
    NUMBER,
    BrandId,
    Context,
    Contract,
    Count,
    Domain,
    Meta,
    PublicKey,
    Signature,
    Table,
    call,
    event,
)
from vm.params import BOUNDS, Params
from vm.primitives.keys import SigningKey
from vm.runtime import Runtime
from vm.transaction import parse_transaction, signatures_valid

KEYS: Final = 100_000
"""Values in the state, of which the caches of the bench hold few."""

UNLIMITED: Final = Params(
    round_timeout_ms=600_000,
    round_timeout_max_ms=600_000,
    max_block_cost=BOUNDS["max_block_cost"][1],
    max_tx_cost=50_000_000,
    account_cost_per_window=10**12,
    brand_cost_per_window=10**12,
)
COLD: Final = StoreOptions(value_cache_bytes=1 << 20, page_cache_bytes=1 << 20, block_cache_bytes=1 << 20)
Op = tuple[str, dict[str, Any]]
Number = Annotated[int, Meta(ge=0, le=10**12)]


class Value(msgspec.Struct, frozen=True, gc=False):
    """A value of ordinary size, or a long one."""

    amount: Count
    expires: Count
    holder: Annotated[str, Meta(max_length=8_192)]


VALUES: Final[Table[Value]] = Table("probe/value", (("number", NUMBER),), Value, "what the bench writes")
LONG_VALUES: Final[Table[Value]] = Table("probe/long", (("number", NUMBER),), Value, "long values")


@event("probe.emitted")
class Emitted(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Something happened."""

    brand: BrandId
    amount: Count
    text: Annotated[str, Meta(max_length=8_192)]


class Probe(Contract):
    """Does one kind of work, as often as it is asked to."""

    name = "probe"

    @call
    def nothing(self, ctx: Context) -> int:
        """Do nothing."""
        del ctx
        return 0

    @call
    def read(self, ctx: Context, first: Number, count: Number, stride: Number) -> int:
        """Read `count` keys."""
        for i in range(count):
            VALUES.get(ctx, (first + i * stride) % KEYS)
        return 0

    @call
    def write(self, ctx: Context, first: Number, count: Number, stride: Number) -> int:
        """Write `count` keys."""
        for i in range(count):
            VALUES.put(ctx, Value(ctx.time, i, ctx.sender), (first + i * stride) % KEYS)
        return 0

    @call
    def write_long(self, ctx: Context, first: Number, count: Number, size: Number) -> int:
        """Write `count` values of `size` bytes."""
        for i in range(count):
            LONG_VALUES.put(ctx, Value(ctx.time, i, "x" * size), first + i)
        return 0

    @call
    def emit(self, ctx: Context, count: Number, size: Number) -> int:
        """Emit `count` events with `size` bytes of text each."""
        for i in range(count):
            ctx.emit(Emitted("aurora", i, "x" * size))
        return 0

    @call
    def answer(self, ctx: Context, size: Number) -> list[str]:
        """Answer `size` bytes of text, 32 bytes a piece."""
        del ctx
        return ["x" * 32] * (size // 32)

    @call
    def step(self, ctx: Context, count: Number) -> int:
        """Charge `count` steps of a loop that does a little."""
        total = 0
        for i in range(count):
            ctx.charge(metering.STEP)
            total += i
        return total

    @call
    def verify(self, ctx: Context, count: Number, key: PublicKey, signature: Signature) -> int:
        """Check `count` signatures."""
        for _ in range(count):
            ctx.verify_signature(Domain.RECEIPT, bytes.fromhex(key), b"a message", bytes.fromhex(signature))
        return 0


def probe_chain(folder: Path, params: Params, options: StoreOptions | None = None) -> LocalChain:
    """Return a chain on which the probe is a contract."""
    chain = LocalChain(folder, [program_op("miles", "aurora")], params, options)
    listed, identity = contracts()
    chain.ledger.runtime = Runtime([*listed, Probe()], authority=identity)
    return chain


def spent_on(
    chain: LocalChain, raws: Sequence[bytes], *, verify: bool = False, may_fail: bool = False
) -> tuple[float, int]:
    """Make these a block; return (CPU s of all that a validator does with it, its work units)."""
    gc.collect()
    begun = time.process_time()
    transactions = [parse_transaction(raw) for raw in raws]
    if verify:
        assert all(signatures_valid(tx) for tx in transactions)
    receipts = chain.commit_parsed(transactions)
    ended = time.process_time()
    failed = [receipt.error for receipt in receipts if receipt.status != "ok"]
    assert not failed or may_fail, failed[0]
    return ended - begun, sum(receipt.cost for receipt in receipts)


# -- units -----------------------------------------------------------------------------------------

TRANSACTIONS: Final = 20


def measure_units(folder: Path) -> list[tuple[str, float, float]]:
    """Return (operation, units, µs) for each of the table's."""
    chain = probe_chain(folder, UNLIMITED, COLD)
    for first in range(0, KEYS, 20_000):
        chain.commit([chain.sign("loader", [("probe.write", {"first": first, "count": 20_000, "stride": 1})])])
    signature = key_of("loader").sign(Domain.RECEIPT, b"a message").hex()
    check = {"key": key_of("loader").public_key.hex(), "signature": signature}
    place = iter(range(0, 10**9, 7_919))
    kinds: list[tuple[str, int, Callable[[int], Op]]] = [
        ("operation", 500, lambda n: ("probe.nothing", {})),
        ("read, cold", 2_000, lambda n: ("probe.read", {"first": next(place), "count": n, "stride": 37})),
        ("read, warm", 2_000, lambda n: ("probe.read", {"first": 0, "count": n, "stride": 0})),
        (
            "write, changed value",
            1_000,
            lambda n: ("probe.write", {"first": next(place), "count": n, "stride": 37}),
        ),
        (
            "write, new of 4 KiB",
            50,
            lambda n: ("probe.write_long", {"first": next(place) * 64, "count": n, "size": 4_096}),
        ),
        ("event", 1_000, lambda n: ("probe.emit", {"count": n, "size": 0})),
        ("event with 1 KiB", 200, lambda n: ("probe.emit", {"count": n, "size": 1_024})),
        ("result of 64 KiB", 1, lambda n: ("probe.answer", {"size": 65_536 * n})),
        ("step of a loop", 20_000, lambda n: ("probe.step", {"count": n})),
        ("signature in a contract", 200, lambda n: ("probe.verify", {"count": n, **check})),
    ]
    found = []
    for name, count, make in kinds:
        found.append((name, *_marginal(chain, name, count, make)))
    found += _transaction_units(chain)
    chain.close()
    return found


def _marginal(chain: LocalChain, name: str, count: Number, make: Callable[[int], Op]) -> tuple[float, float]:
    """Return (units, µs) of one operation of a kind, medians over blocks."""
    units, micros = [], []
    for _ in range(5):
        if name == "operation":
            without = [chain.sign("user", [make(1)]) for _ in range(TRANSACTIONS)]
            with_it = [chain.sign("user", [make(1)] * (count + 1)) for _ in range(TRANSACTIONS)]
        else:
            without = [chain.sign("user", [make(0)]) for _ in range(TRANSACTIONS)]
            with_it = [chain.sign("user", [make(count)]) for _ in range(TRANSACTIONS)]
        base, base_cost = spent_on(chain, without)
        full, full_cost = spent_on(chain, with_it)
        units.append((full_cost - base_cost) / (TRANSACTIONS * count))
        micros.append((full - base) * 1e6 / (TRANSACTIONS * count))
    return statistics.median(units), statistics.median(micros)


def _transaction_units(chain: LocalChain) -> list[tuple[str, float, float]]:
    """Return a transaction's own units, those of its signature apart, and of a KiB of arguments."""
    keys = [SigningKey(i.to_bytes(32, "big")) for i in range(1, 1_001)]
    plain, signed, heavy, costs = [], [], [], []
    for _ in range(5):
        raws = [chain.sign(key, [("probe.nothing", {})]) for key in keys]
        seconds, cost = spent_on(chain, raws)
        plain.append(seconds * 1e3)
        costs.append(cost / 1_000 - metering.SIGNATURE - metering.OPERATION)
        transactions = [parse_transaction(raw) for raw in raws]
        begun = time.process_time()
        assert all(signatures_valid(tx) for tx in transactions)
        signed.append((time.process_time() - begun) * 1e3)
        large = [chain.sign(key, [("probe.unknown", {"text": "x" * 100_000})]) for key in keys[:20]]
        heavy.append(spent_on(chain, large, may_fail=True)[0] * 1e6 / 20 / (100_000 / 1_024))
    return [
        ("transaction, with what it writes", statistics.median(costs), statistics.median(plain)),
        ("its signature", metering.SIGNATURE, statistics.median(signed)),
        ("1 KiB of arguments", 1_024 / metering.BYTES_PER_UNIT, statistics.median(heavy)),
    ]


# -- blocks ----------------------------------------------------------------------------------------

ACCOUNTS: Final = 10_000
SIGNERS: Final = 8


def fund(chain: LocalChain) -> None:
    """Give many accounts points that expire on one day."""
    chain.commit([chain.sign("aurora-admin", [program_op("days", "aurora", expiry={"kind": "days", "days": 1})])])
    for first in range(0, ACCOUNTS, 500):
        for program in ("miles", "days"):
            ops = [
                ("token.issue", {"program": program, "to": address_of(f"holder-{i}"), "amount": 1_000})
                for i in range(first, first + 500)
            ]
            receipts = chain.commit([chain.sign("aurora-admin", ops)])
            assert receipts[0].status == "ok", receipts[0].error


def transfer(chain: LocalChain, i: int, program: str = "miles") -> Op:
    """Return a transfer to an account that nobody has touched lately."""
    del chain
    return "token.transfer", {"program": program, "to": address_of(f"holder-{i * 7_919 % ACCOUNTS}"), "amount": 1}


def single_transfers(chain: LocalChain, i: int) -> bytes:
    """Transfers between accounts that nobody has touched lately."""
    return chain.sign(f"holder-{i * 31 % ACCOUNTS}", [transfer(chain, i)])


def many_signatures(chain: LocalChain, i: int) -> bytes:
    """Eight signatures, one operation that does not exist."""
    keys = [key_of(f"signer-{i % 50}-{n}") for n in range(SIGNERS)]
    return chain.sign(keys[0], [("a.b", {})], cosigners=keys[1:])


def failures(chain: LocalChain, i: int) -> bytes:
    """The smallest transaction, which fails at once."""
    return chain.sign(f"holder-{i % ACCOUNTS}", [("a", {})])


def long_batches(chain: LocalChain, i: int) -> bytes:
    """A thousand transfers under one signature."""
    return chain.sign(f"holder-{i * 31 % ACCOUNTS}", [transfer(chain, i * 1_000 + n) for n in range(900)])


def large_arguments(chain: LocalChain, i: int) -> bytes:
    """As many bytes as a transaction may have, in small values."""
    return chain.sign(f"holder-{i}", [("a.b", {"x": [n % 256 for n in range(80_000)]})])


def long_answers(chain: LocalChain, i: int) -> bytes:
    """Events and results that are long for their operation: 64 keys for one account."""
    keys = sorted(key_of(f"auth-{n}").public_key.hex() for n in range(8))
    return chain.sign(f"holder-{i}", [("identity.set_auth", {"keys": keys, "threshold": 1})])


def scattered_reads(chain: LocalChain, i: int) -> bytes:
    """Reads all over the state, and nothing written but the allowance."""
    return chain.sign("aurora-admin", [("probe.read", {"first": i * 20_011, "count": 20_000, "stride": 37})])


def scattered_writes(chain: LocalChain, i: int) -> bytes:
    """Writes all over the state tree."""
    return chain.sign("aurora-admin", [("probe.write", {"first": i * 20_011, "count": 4_500, "stride": 37})])


BLOCKS: Final = (
    single_transfers,
    many_signatures,
    failures,
    long_batches,
    large_arguments,
    long_answers,
    scattered_reads,
    scattered_writes,
)


def full_block(chain: LocalChain, make: Callable[[LocalChain, int], bytes], first: int) -> list[bytes]:
    """Return as many transactions of a kind as any limit of a block allows, by what such a one has cost."""
    params = chain.ledger.params
    probe = make(chain, first)
    cost = max(1, chain.commit([probe])[0].cost)
    count = min(params.max_block_cost // cost, params.max_block_bytes // len(probe))
    return [make(chain, first + 1 + i) for i in range(count)]


def measure_block(chain: LocalChain, make: Callable[[LocalChain, int], bytes]) -> tuple[int, int, float, float]:
    """Return (transactions, units, ms of verification, ms of all else), medians of three blocks."""
    rows = []
    for attempt in range(3):
        raws = full_block(chain, make, 10_000 * attempt)
        transactions = [parse_transaction(raw) for raw in raws]
        begun = time.process_time()
        assert all(signatures_valid(tx) for tx in transactions)
        verified = time.process_time() - begun
        seconds, cost = spent_on(chain, raws, may_fail=True)
        rows.append((len(raws), cost, verified * 1e3, seconds * 1e3))
    return sorted(rows, key=lambda row: row[2] + row[3])[1]


def measure_expiry(chain: LocalChain) -> tuple[int, int, float]:
    """Let every lot of one date expire; return how many empty blocks it took, units and ms of the slowest."""
    spent_on(chain, [])
    chain.commit(time=chain.ledger.head_time + 3 * 86_400_000)
    most, slowest = 0, 0.0
    for block in range(100):
        seconds, cost = spent_on(chain, [])
        if block and cost < 1_000:
            return block, most, slowest
        most, slowest = max(most, cost), max(slowest, seconds * 1e3)
    return 100, most, slowest


def print_blocks() -> None:
    """Print what full blocks take, and what part of what SPEC allows that is."""
    with tempfile.TemporaryDirectory() as folder:
        chain = probe_chain(Path(folder), Params())
        fund(chain)
        loader = [
            ("probe.write", {"first": n * 4_500, "count": 4_500, "stride": 1}) for n in range(KEYS // 4_500 + 1)
        ]
        for op in loader:
            assert chain.commit([chain.sign("aurora-admin", [op])])[0].status == "ok"
        allowed = Params().round_timeout_ms / 4
        print("| block of | transactions | units | signatures ms | all else ms | of what is allowed |")
        print("|---|---|---|---|---|---|")
        for make in BLOCKS:
            count, cost, verified, other = measure_block(chain, make)
            name = make.__name__.replace("_", " ")
            print(
                f"| {name} | {count} | {cost} | {verified:.0f} | {other:.0f} | {(verified + other) / allowed:.2f} |"
            )
        blocks, cost, slowest = measure_expiry(chain)
        name = f"{ACCOUNTS} accounts' lots expire, slowest of {blocks}"
        print(f"| {name} | 0 | {cost} | 0 | {slowest:.0f} | {slowest / allowed:.2f} |")
        chain.close()


def print_units() -> None:
    """Print the table of docs/execution.md."""
    with tempfile.TemporaryDirectory() as folder:
        rows = measure_units(Path(folder))
    print("| operation | units | µs | units per µs |\n|---|---|---|---|")
    for name, units, micros in rows:
        print(f"| {name} | {units:.1f} | {micros:.2f} | {units / micros:.1f} |")


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", action="store_true", help="the units only")
    parser.add_argument("--blocks", action="store_true", help="the blocks only")
    options = parser.parse_args()
    if not options.blocks:
        print_units()
    if not options.units:
        print_blocks()
    return 0


if __name__ == "__main__":
    sys.exit(main())
