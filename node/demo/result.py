"""The result of a run, and the document that machines get of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from genesis.testnet import TestnetManifest
from node.demo.comparison import Comparison
from node.demo.courier import Counters
from node.demo.judging import MONTHS
from node.demo.marketing import NAMES
from node.demo.obligations import Obligations
from node.demo.plan import Plan
from node.demo.printed import Printed
from node.demo.proof import Recomputed
from node.demo.reports import Report
from node.demo.rules import PARTNERS
from node.demo.treasury import period_of


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that is told at the end.

    Attributes:
        baskets, households: how many were replayed.
        whole: whether that is all of the data.
        seconds: wall time from the first enrolment to the year's close.
        checking_seconds: wall time of the recomputation and the comparison.
    """

    manifest: TestnetManifest
    directory: str
    baskets: int
    households: int
    whole: bool
    seed: int
    plan: Plan
    counters: Counters
    seconds: float
    checking_seconds: float
    expected: Recomputed
    comparison: Comparison
    printed: Printed

    @property
    def agrees(self) -> bool:
        """Whether the network, the data and the printed statements agree in everything."""
        return self.comparison.agrees and self.printed.agrees


def as_json(result: Result) -> dict[str, Any]:
    """Return the whole result as one document."""
    clock = result.manifest.clock
    comparison, printed = result.comparison, result.printed
    return {
        "agrees": result.agrees,
        "chain": result.manifest.chain,
        "directory": result.directory,
        "baskets": result.baskets,
        "households": result.households,
        "all_baskets": result.whole,
        "seed": result.seed,
        "clock_rate": 1 if clock is None else clock.rate,
        "operations": result.counters.operations,
        "transactions": result.counters.transactions,
        "purchases": result.counters.purchases,
        "resent": result.counters.resent,
        "seconds": round(result.seconds, 1),
        "checking_seconds": round(result.checking_seconds, 1),
        "height": comparison.height,
        "state_roots_agree": comparison.roots_agree,
        "programs": _programs(result),
        "clearing": [_month(result.expected.books, month) for month in MONTHS],
        "statements": {
            "folder": str(printed.folder),
            "written": printed.statements,
            "lines": printed.lines,
            "agree": printed.agrees,
            "differences": printed.told,
        },
        "validators": [_validator(result, report) for report in comparison.reports],
    }


def _programs(result: Result) -> list[dict[str, Any]]:
    first = result.comparison.reports[0]
    return [
        {
            "brand": each.partner.brand,
            "program": each.partner.program,
            "members": len(each.members),
            "purchases": each.records,
            "campaigns": {name: each.given[name] for name in NAMES[index]},
            "levels": each.members_by_level(),
            "deeds": dict(each.told),
            "chain": chain,
            "recomputed": recomputed,
        }
        for index, (each, chain, recomputed) in enumerate(
            zip(result.expected.programs, first.chain, first.recomputed, strict=True)
        )
    ]


def _month(books: Obligations, month: int) -> dict[str, Any]:
    return {
        "period": period_of(month),
        "owed": _named(books.sums.get(month, {})),
        "payments": _named(books.payments(month)),
    }


def _named(amounts: dict[tuple[int, int], int]) -> list[dict[str, Any]]:
    return [
        {"from": PARTNERS[one].brand, "to": PARTNERS[other].brand, "cents": cents}
        for (one, other), cents in sorted(amounts.items())
    ]


def _validator(result: Result, report: Report) -> dict[str, Any]:
    return {
        "brand": report.brand,
        "rpc": result.manifest.validator(report.brand).rpc,
        "agrees": report.agrees,
        "height": report.height,
        "time": report.time,
        "compared": dict(report.compared),
        "wrong": dict(report.wrong),
        "state_root": report.state_root,
        "state_proved": report.proved,
        "differences": report.told,
    }
