"""What must have come of it: every total and balance, recomputed from the parquet files and `rules` alone.

This is a second implementation of the demo's rules, made to disagree with the first if either is wrong. Where
`plan` walks events through dated lots in ms, this adds up whole columns in Arrow and keeps, for each household,
points by month of purchase: no dates, no transactions, no code of the chain. All it shares with `plan` is the
constants in `rules` and the choice of the sample.

Dollars become cents by rounding a hundredfold float here, by decimal text in `data`: for this data the same, which
is one of the things that the comparison shows.

Invariants:
    1. issued = redeemed + donated + what is left at any month + what has expired by then.
    2. Nothing here depends on the chain, on time, or on the order of anything but months.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from node.demo import rules
from node.demo.data import choose_baskets
from node.demo.errors import DemoError
from node.demo.rules import PARTNERS, Partner

Points = dict[int, dict[int, int]]
"""Household → month of purchase → points not spent, alive or expired."""


@dataclass(slots=True)
class Expected:
    """What a partner's programme must show.

    Attributes:
        members: every household that bought there.
        earned: household → month of purchase → points; months as in `month_of`.
        left: the same, of what was not spent.
    """

    partner: Partner
    members: list[int]
    earned: Points
    left: Points
    redeemed: int = 0
    donated: int = 0
    given: int = 0
    issues: int = 0

    @property
    def issued(self) -> int:
        """All points ever issued."""
        return sum(sum(months.values()) for months in self.earned.values())

    def balance(self, household: int, time: int) -> int:
        """What a household has at a time, ms."""
        return _alive(self.left.get(household, {}), self.partner, month_of(time))

    def outstanding(self, time: int) -> int:
        """What all households together have at a time."""
        return sum(self.balance(household, time) for household in self.left)

    def expired(self, time: int) -> int:
        """What nobody spent in time."""
        return sum(sum(months.values()) for months in self.left.values()) - self.outstanding(time)


def month_of(time: int) -> int:
    """Return the month of a time, counted from January of the demo's year as 1."""
    date = datetime.fromtimestamp(time / 1_000, tz=UTC)
    return (date.year - rules.YEAR) * 12 + date.month


def recompute(folder: Path, baskets: int | None, seed: int) -> list[Expected]:
    """Return what each partner's programme must show, in the order of PARTNERS."""
    sums = _sums_per_basket(_read(folder, baskets, seed))
    expected = [_earnings(sums, index) for index in range(len(PARTNERS))]
    for each in expected:
        for month in range(rules.FIRST_SPEND_MONTH, rules.LAST_SPEND_MONTH + 1):
            _spend_month(each, month)
    return expected


def _read(folder: Path, baskets: int | None, seed: int) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    columns = ["basket_id", "household_id", "transaction_timestamp", "product_id", "sales_value"]
    table = pq.read_table(folder / "transactions.parquet", columns=columns)
    if baskets is None:
        return _with_departments(table, folder)
    stamps = pc.cast(pc.cast(table["transaction_timestamp"], "timestamp[ms]"), "int64")
    triples = zip(
        table["household_id"].to_pylist(), stamps.to_pylist(), table["basket_id"].to_pylist(), strict=True
    )
    chosen = choose_baskets(set(triples), baskets, seed)
    return _with_departments(table.filter(pc.is_in(table["basket_id"], pa.array(list(chosen), "int64"))), folder)


def _with_departments(table: Any, folder: Path) -> Any:
    import pyarrow.parquet as pq

    products = pq.read_table(folder / "products.parquet", columns=["product_id", "department"])
    return table.join(products, "product_id", join_type="left outer")


def _sums_per_basket(table: Any) -> Any:
    """Return cents by basket, household, month and partner, as an Arrow table."""
    import pyarrow as pa
    import pyarrow.compute as pc

    partner = pa.array([rules.REST] * table.num_rows, "int64")
    for index, terms in enumerate(PARTNERS):
        if terms.departments:
            theirs = pc.is_in(table["department"], pa.array(sorted(terms.departments)))
            partner = pc.if_else(theirs, pa.scalar(index, "int64"), partner)
    stamps = table["transaction_timestamp"]
    years = pc.multiply(pc.subtract(pc.year(stamps), rules.YEAR), 12)
    flat = pa.table(
        {
            "basket": table["basket_id"],
            "household": table["household_id"],
            "month": pc.add(years, pc.month(stamps)),
            "partner": partner,
            "cents": pc.cast(pc.round(pc.multiply(table["sales_value"], 100.0)), "int64"),
        }
    )
    return flat.group_by(["basket", "household", "month", "partner"]).aggregate([("cents", "sum")])


def _earnings(sums: Any, index: int) -> Expected:
    import pyarrow.compute as pc

    terms = PARTNERS[index]
    mine = sums.filter(pc.equal(sums["partner"], index))
    # Arrow divides integers towards zero, which for amounts of 0 and more is the floor.
    points = pc.multiply(pc.divide(mine["cents_sum"], terms.unit_cents), terms.points_per_unit)
    mine = mine.append_column("points", points)
    monthly = mine.group_by(["household", "month"]).aggregate([("points", "sum")])
    earned: Points = defaultdict(dict)
    for row in monthly.to_pylist():
        if row["points_sum"]:
            earned[row["household"]][row["month"]] = row["points_sum"]
    members = sorted(set(mine["household"].to_pylist()))
    left: Points = {household: {} for household in members} | {h: dict(months) for h, months in earned.items()}
    return Expected(terms, members, dict(earned), left, issues=pc.sum(pc.greater(points, 0)).as_py() or 0)


def _alive(months: dict[int, int], partner: Partner, now: int, before: int | None = None) -> int:
    """Add up what has not expired in month `now` and was bought before month `before`."""
    return sum(
        points
        for month, points in months.items()
        if (partner.lasting_months is None or now <= month + partner.lasting_months)
        and (before is None or month < before)
    )


def _spend_month(each: Expected, month: int) -> None:
    gifts = []
    for household in each.members:
        available = _alive(each.left[household], each.partner, month, month)
        if household % rules.GIFT_CYCLE == month % rules.GIFT_CYCLE and available >= rules.GIFT_MINIMUM:
            receiver = _next_member(each.members, household, month)
            if receiver is not None:
                gifts.append((household, receiver, available // rules.GIFT_SHARE))
    for giver, receiver, points in gifts:
        for bought, part in _take(each, giver, points, month):
            each.left[receiver][bought] = each.left[receiver].get(bought, 0) + part
        each.given += points
    for household in each.members:
        available = _alive(each.left[household], each.partner, month, month)
        if household % rules.REDEEM_CYCLE == month % rules.REDEEM_CYCLE:
            points = available - available % rules.REDEEM_STEP
            _take(each, household, points, month)
            each.redeemed += points
            available -= points
        if household % rules.DONATE_CYCLE == month % rules.DONATE_CYCLE and available >= rules.DONATE_MINIMUM:
            _take(each, household, available // rules.DONATE_SHARE, month)
            each.donated += available // rules.DONATE_SHARE


def _next_member(members: list[int], giver: int, month: int) -> int | None:
    start = bisect_right(members, giver)
    for household in members[start:] + members[:start]:
        if household % rules.GIFT_CYCLE != month % rules.GIFT_CYCLE:
            return household
    return None


def _take(each: Expected, household: int, points: int, now: int) -> list[tuple[int, int]]:
    """Take points of a household, the oldest that are alive first; return (month of purchase, points)."""
    months = each.left[household]
    parts = []
    for bought in sorted(months):
        if each.partner.lasting_months is None or now <= bought + each.partner.lasting_months:
            part = min(points, months[bought])
            months[bought] -= part
            points -= part
            parts.append((bought, part))
    if points:
        raise DemoError(f"by the rules household {household} spends {points} points too many in month {now}")
    return parts
