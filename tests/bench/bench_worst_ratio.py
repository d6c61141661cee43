"""Which transactions take longest for their work units: a search over all calls and shapes of their arguments.

Run: .venv/bin/python -m tests.bench.bench_worst_ratio [--cases N] [--seed N]

A state is prepared with what makes calls long: an account of 3,000 lots, a brand with a century of summer times,
proposals of 32 KiB. Then arguments are made from each call's own signature, at random: ordinary ones, ones as
long as may be, and ones that are wrong at their very end; one to hundreds of operations in a transaction, by who
may and by strangers. All that a validator does with them is timed (parse, verify, execute, encode, state tree), and
nothing is kept. Printed are the ten worst by µs per unit, and the median of all.

CPU time of one machine: only the ratio to the median means something; it is wanted below 1.5.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.support.ledger import BRANDS, LocalChain, address_of, key_of, program_op
from vm.params import Params
from vm.transaction import MAX_TX_BYTES, TransactionError, parse_transaction, signatures_valid

PARAMS: Final = Params(account_cost_per_window=10**11, brand_cost_per_window=10**12)
DAY: Final = 86_400_000
LOTS: Final = 3_000
SUSPECTS: Final = 40
ENOUGH: Final = 40_000
"""Work units of a measurement: some ten milliseconds."""

Op = tuple[str, dict[str, Any]]


class Case(NamedTuple):
    """A measured transaction: what it is, its µs per unit, its units, how it ended, and what was measured."""

    name: str
    ratio: float
    units: int
    outcome: str
    raws: Sequence[bytes]


def prepared(folder: Path) -> LocalChain:
    """Return a chain whose state makes calls long."""
    rich = address_of("rich")
    inactivity = {"kind": "inactivity", "days": 3_000}
    chain = LocalChain(
        folder,
        [
            program_op("miles", "aurora", expiry={"kind": "days", "days": 3_000}, transfer_burn_bps=100),
            program_op("idle", "aurora", expiry=inactivity),
            ("token.issue", {"program": "idle", "to": rich, "amount": 10**6}),
        ],
        PARAMS,
    )
    summers = [{"from": DAY * 180 * n, "minutes": 60 * (n % 2)} for n in range(200)]
    chain.commit([chain.sign("basil-admin", [("identity.update_brand", {"brand": "basil", "offsets": summers})])])
    chain.commit([chain.sign("basil-admin", [program_op("herbs", "basil", expiry={"kind": "days", "days": 400})])])
    for first in range(0, LOTS, 100):
        dates = [chain.ledger.head_time + (first + n + 2) * DAY for n in range(100)]
        ops: list[Op] = [
            ("token.issue", {"program": program, "to": rich, "amount": 50, "expires": date})
            for date in dates
            for program in ("miles", "idle")[: 1 + (first == 0)]
        ]
        (receipt, _) = chain.commit([chain.sign("aurora-admin", ops)])
        assert receipt.status == "ok", receipt.error
    terms = {"program": "miles", "spender": "aurora", "limit": 10**9, "expires": 2**53 - 1}
    chain.commit([chain.sign("rich", [("token.allow", terms)])])
    for number in range(3):
        args = {"proposal": f"long-{number}", "title": "Long", "actions": long_actions(number)}
        (receipt, _) = chain.commit([chain.sign(f"{BRANDS[number]}-admin", [("gov.propose", args)])])
        assert receipt.status == "ok", receipt.error
    return chain


def long_actions(number: int) -> list[dict[str, Any]]:
    """Return actions of some 30 KiB."""
    return [
        {
            "action": "register_brand",
            "brand": f"new-{number}-{n}",
            "name": "New",
            "admins": [address_of(f"admin-{number}-{n}-{i}") for i in range(16)],
            "offsets": [{"from": DAY * 180 * i, "minutes": 60 * (i % 2)} for i in range(52)],
        }
        for n in range(16)
    ]


class Maker:
    """Makes arguments from the JSON schemas of a call's signature."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._serial = 0

    def value(self, name: str, schema: dict[str, Any], *, long: bool) -> Any:
        """Return a value that the schema allows, as long as may be where `long`."""
        rng = self._rng
        if "oneOf" in schema:
            return self.value(name, rng.choice(schema["oneOf"]), long=long)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return rng.choice(schema["enum"])
        kind = schema["type"]
        if kind == "boolean":
            return rng.random() < 0.5
        if kind == "integer":
            return self._integer(name, schema)
        if kind == "array":
            return self._array(name, schema, long=long)
        if kind == "object":
            wanted = schema["properties"] if long else schema.get("required", ())
            return {key: self.value(key, schema["properties"][key], long=long) for key in wanted}
        return self._text(name, schema, long=long)

    def _integer(self, name: str, schema: dict[str, Any]) -> int:
        if name == "amount":
            return self._rng.choice([1, 49, 2_000, 100_000])
        if name in ("expires", "from"):
            self._serial += 1
            return 1_900_000_000_000 + self._serial * DAY
        return self._rng.choice([schema["minimum"], min(schema["maximum"], 16)])

    def _array(self, name: str, schema: dict[str, Any], *, long: bool) -> list[Any]:
        if "prefixItems" in schema:
            return [self.value(name, item, long=long) for item in schema["prefixItems"]]
        count = schema["maxItems"] if long else max(1, schema.get("minItems", 0))
        return [self.value(name, schema["items"], long=long) for _ in range(count)]

    def _text(self, name: str, schema: dict[str, Any], *, long: bool) -> str:
        rng, pattern = self._rng, schema.get("pattern", "")
        self._serial += 1
        if pattern.startswith("^ent1"):
            return address_of(rng.choice(["rich", f"fresh-{self._serial}", "holder"]))
        if pattern.startswith("^[0-9a-f]{"):
            size = int(pattern.partition("{")[2].partition("}")[0])
            if size == 64 and name in ("key", "keys", "old", "new", "validator"):
                return key_of(f"key-{rng.randrange(40)}").public_key.hex()
            return f"{self._serial:0{size}x}"
        if name == "program":
            return rng.choice(["miles", "idle", "herbs"]) if rng.random() < 0.9 else f"aurora-{self._serial}"
        if name in ("brand", "at_brand", "spender"):
            return rng.choice(BRANDS[:2])
        if name == "proposal":
            return rng.choice(["long-0", "long-1", "long-2"]) if rng.random() < 0.7 else f"aurora-{self._serial}"
        if pattern == "^[A-Z]{3}$":
            return "EUR"
        if pattern.startswith("^[a-z0-9]"):
            return f"name-{self._serial}"
        most = schema.get("maxLength", 64) if "minLength" in schema else 64
        return f"{self._serial}".rjust(most if long else 1, "x")


def made(rng: random.Random, chain: LocalChain) -> tuple[str, str, list[Op]]:
    """Return a description, a sender, and the operations of a transaction."""
    calls = chain.runtime.calls
    maker = Maker(rng)
    name = rng.choice(sorted(calls))
    long, wrong = rng.random() < 0.5, rng.random() < 0.15
    count = rng.choice([1, 1, 3, 20, 100, 300])
    ops: list[Op] = []
    for _ in range(count):
        args = {}
        for argument, field in calls[name].binder.fields.items():
            if field.required or rng.random() < 0.7:
                args[argument] = maker.value(argument, dict(field.shape.schema), long=long)
        if name.startswith("token.") and rng.random() < 0.7:
            args = {key: address_of("rich") if key in ("from", "account") else item for key, item in args.items()}
        if wrong and args:
            args[list(args)[-1]] = {"not": ["at all"]}
        ops.append((name, args))
    sender = rng.choice(["aurora-admin", "aurora-admin", "aurora-admin", "basil-admin", "rich", "stranger"])
    if sender == "aurora-admin":
        ops = [(call, _of_aurora(args)) for call, args in ops]
    words = f"{count} x {name}{', long' if long else ''}{', wrong' if wrong else ''} by {sender}"
    return words, sender, ops


def _of_aurora(args: dict[str, Any]) -> dict[str, Any]:
    """Return arguments with aurora's names in place of others', so that more of them are accepted."""
    own = {"brand": "aurora", "at_brand": "aurora", "spender": "aurora", "program": "miles"}
    return {name: own.get(name, value) if type(value) is str else value for name, value in args.items()}


def timed(chain: LocalChain, raws: Sequence[bytes]) -> tuple[float, int, str]:
    """Return (CPU µs, units, the first outcome) of a block of these that nobody keeps."""
    begun = time.process_time()
    transactions = [parse_transaction(raw) for raw in raws]
    assert all(signatures_valid(tx) for tx in transactions)
    candidate = chain._candidate(transactions, chain.ledger.head_time + 200)
    execution = chain.ledger.execute(candidate, transactions)
    execution.run(len(transactions))
    receipts = execution.finish().result.receipts
    micros = (time.process_time() - begun) * 1e6
    units = sum(receipt.cost for receipt in receipts[:-1])
    error = receipts[0].error
    return micros, units, getattr(error, "code", "ok")


def measured(chain: LocalChain, words: str, sender: str, ops: list[Op], empty: float) -> Case | None:
    """Return what a transaction costs; None for one that no node would take."""
    while ops:
        raw = chain.sign(sender, ops, cosigners=[key_of("rich")] if sender == "aurora-admin" else ())
        if len(raw) <= MAX_TX_BYTES:
            break
        ops = ops[: len(ops) // 2]
    try:
        _, units, outcome = timed(chain, [raw])
    except TransactionError:
        return None
    room = chain.ledger.params.max_block_cost - chain.ledger.params.max_tx_cost
    copies = max(1, min(ENOUGH, room) // max(units, 1))
    raws = [chain.sign(sender, ops) for _ in range(copies)] if copies > 1 else [raw]
    gc.collect()
    micros, units = least(chain, raws, 3)
    return Case(words, max(0.0, micros - empty) / units, units // len(raws), outcome, raws)


def least(chain: LocalChain, raws: Sequence[bytes], runs: int) -> tuple[float, int]:
    """Return (CPU µs, units) of the quickest of some runs."""
    gc.disable()  # A collection's turn would fall to one case or another.
    found = min(timed(chain, raws) for _ in range(runs))
    gc.enable()
    return found[0], found[1]


def again(chain: LocalChain, case: Case, empty: float) -> Case:
    """Return a case measured more often: of many cases the worst were those that were disturbed."""
    micros, units = least(chain, case.raws, 20)
    return case._replace(ratio=max(0.0, micros - empty) / units)


def main() -> None:
    """Search and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=1_500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="entente-ratio-") as folder:
        chain = prepared(Path(folder))
        empty = min(timed(chain, [])[0] for _ in range(20))
        found = [measured(chain, *made(rng, chain), empty) for _ in range(options.cases)]
        cases = sorted((case for case in found if case is not None), key=lambda case: -case.ratio)
        cases[:SUSPECTS] = [again(chain, case, empty) for case in cases[:SUSPECTS]]
        chain.close()
    median = statistics.median(case.ratio for case in cases)
    outcomes = {outcome: sum(case.outcome == outcome for case in cases) for outcome in {c.outcome for c in cases}}
    print(
        f"{len(cases)} transactions, median {median:.3f} µs per unit; "
        + ", ".join(f"{outcome} {count}" for outcome, count in sorted(outcomes.items(), key=lambda item: -item[1]))
    )
    for outcome in sorted(outcomes):
        ratios = sorted(case.ratio for case in cases if case.outcome == outcome)
        print(f"{outcome:22} {ratios[0]:.3f} {statistics.median(ratios):.3f} {ratios[-1]:.3f}")
    print(" times the median   µs/unit    units")
    for case in sorted(cases, key=lambda case: -case.ratio)[:10]:
        print(f"{case.ratio / median:17.2f} {case.ratio:9.3f} {case.units:8}   {case.name}: {case.outcome}")


if __name__ == "__main__":
    main()
