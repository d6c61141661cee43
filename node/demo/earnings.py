"""What the purchases earned, and what came back, added up in Arrow straight from the parquet files.

This is the second reading of the data, made to disagree with `data` and `planner` if either is wrong: whole columns
instead of lines, and dollars become cents by rounding a hundredfold float here, by decimal text there.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from node.demo import rules
from node.demo.data import choose_baskets
from node.demo.rules import PARTNERS


@dataclass(slots=True)
class Earned:
    """One partner's year of purchases; months are counted from January of the demo's year as 1.

    Attributes:
        members: every household that bought there, in order.
        points: month of purchase → household → points.
        returned: month in which the desk sees to it → (household, month of purchase, points).
        issues: how many baskets earned anything.
    """

    members: list[int]
    points: dict[int, dict[int, int]]
    returned: dict[int, list[tuple[int, int, int]]] = field(default_factory=lambda: defaultdict(list))
    issues: int = 0


def read_earned(folder: Path, baskets: int | None, seed: int) -> list[Earned]:
    """Return each partner's, in the order of PARTNERS."""
    sums = _sums_per_basket(_read(folder, baskets, seed))
    earned = [_earned(sums, index) for index in range(len(PARTNERS))]
    _add_returns(earned, sums)
    return earned


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
    """Return the sum and the greatest line in cents by basket, household, time and partner, as an Arrow table."""
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
            "time": pc.cast(stamps, "timestamp[s]", safe=False),
            "month": pc.add(years, pc.month(stamps)),
            "partner": partner,
            "cents": pc.cast(pc.round(pc.multiply(table["sales_value"], 100.0)), "int64"),
        }
    )
    keys = ["basket", "household", "time", "month", "partner"]
    return flat.group_by(keys).aggregate([("cents", "sum"), ("cents", "max")])


def _earned(sums: Any, index: int) -> Earned:
    import pyarrow.compute as pc

    terms = PARTNERS[index]
    mine = sums.filter(pc.equal(sums["partner"], index))
    # Arrow divides integers towards zero, which for amounts of 0 and more is the floor.
    points = pc.multiply(pc.divide(mine["cents_sum"], terms.unit_cents), terms.points_per_unit)
    mine = mine.append_column("points", points)
    monthly = mine.group_by(["household", "month"]).aggregate([("points", "sum")])
    by_month: dict[int, dict[int, int]] = defaultdict(dict)
    for row in monthly.to_pylist():
        if row["points_sum"]:
            by_month[row["month"]][row["household"]] = row["points_sum"]
    members = sorted(set(mine["household"].to_pylist()))
    return Earned(members, dict(by_month), issues=pc.sum(pc.greater(points, 0)).as_py() or 0)


def _add_returns(earned: list[Earned], sums: Any) -> None:
    """Find what comes back of which baskets, and the points that these earned by it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    taking = [index for index, terms in enumerate(PARTNERS) if terms.takes_back]
    whole = pc.multiply(pc.divide(sums["basket"], rules.RETURN_CYCLE), rules.RETURN_CYCLE)
    chosen = pc.and_(pc.equal(whole, sums["basket"]), pc.is_in(sums["partner"], pa.array(taking, "int64")))
    rows = sums.filter(chosen).to_pylist()
    dearest: dict[int, Any] = {}
    for row in sorted(rows, key=lambda row: (row["cents_max"], -row["partner"])):
        dearest[row["basket"]] = row
    first, spread = rules.RETURN_DAYS
    for basket, row in dearest.items():
        terms = PARTNERS[row["partner"]]
        number = basket // rules.RETURN_CYCLE
        kept = row["cents_sum"] - row["cents_max"] if number % rules.RETURN_WHOLE_CYCLE else 0
        units = row["cents_sum"] // terms.unit_cents - kept // terms.unit_cents
        when: datetime = row["time"] + timedelta(days=first + number % spread)
        handled = (when.year - rules.YEAR) * 12 + when.month + 1
        if units and handled <= rules.LAST_SPEND_MONTH:
            entry = (row["household"], row["month"], units * terms.points_per_unit)
            earned[row["partner"]].returned[handled].append(entry)
