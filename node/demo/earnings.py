"""What the purchases earned, reached and collected, and what came back, from the parquet files alone.

This is the second reading of the data, made to disagree with `data`, `planner` and `promises` if either is wrong:
whole columns in Arrow instead of lines, dollars become cents by rounding a hundredfold float here, by decimal text
there, and each campaign is worked out by itself over a member's year, where the plan works out a purchase after the
other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from node.demo import rules
from node.demo.data import choose_baskets
from node.demo.rules import ALL_ELSE, DRUGS, FOOD, FUEL, LADDERS, PARTNERS


@dataclass(slots=True)
class Shopper:
    """What a household is at one partner, at the year's end.

    Attributes:
        purchases, spend: without what came back.
        metric: what its level goes by.
        level: 0 for none, 1 for bronze, …
        visits: what its badge counts.
        vouchers: value in cents of each that is open.
    """

    purchases: int = 0
    spend: int = 0
    metric: int = 0
    level: int = 0
    visits: int = 0
    vouchers: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True, order=True)
class Returned:
    """Goods that came back: points of the purchase in all, and those that what was kept earns."""

    basket: int
    household: int
    bought: int
    points: int
    kept: int


@dataclass(slots=True)
class Earned:
    """One partner's year of purchases; months are counted from January of the demo's year as 1.

    Attributes:
        shoppers: by household, every one that bought there, in order.
        points: month of purchase → household → points.
        returned: month in which the desk sees to it → what came back, in the order of baskets.
        records: how many purchases were recorded.
        given: points by campaign, without what came back.
    """

    shoppers: dict[int, Shopper] = field(default_factory=dict)
    points: dict[int, dict[int, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    returned: dict[int, list[Returned]] = field(default_factory=lambda: defaultdict(list))
    records: int = 0
    given: Counter[str] = field(default_factory=Counter)


def read_earned(folder: Path, baskets: int | None, seed: int) -> list[Earned]:
    """Return each partner's, in the order of PARTNERS."""
    lines = _lines(_read(folder, baskets, seed))
    rows = _sums_per_basket(lines)
    returns = _returns(lines)
    return [_earned(partner, rows[partner], returns) for partner in range(len(PARTNERS))]


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


def _lines(table: Any) -> Any:
    """Return each line's basket, household, time, partner, department and cents, as an Arrow table."""
    import pyarrow as pa
    import pyarrow.compute as pc

    partner = pa.array([rules.REST] * table.num_rows, "int64")
    for index, terms in enumerate(PARTNERS):
        if terms.departments:
            theirs = pc.is_in(table["department"], pa.array(sorted(terms.departments)))
            partner = pc.if_else(theirs, pa.scalar(index, "int64"), partner)
    return pa.table(
        {
            "basket": table["basket_id"],
            "household": table["household_id"],
            "time": pc.cast(table["transaction_timestamp"], "timestamp[s]", safe=False),
            "partner": partner,
            "department": pc.fill_null(table["department"], ""),
            "cents": pc.cast(pc.round(pc.multiply(table["sales_value"], 100.0)), "int64"),
        }
    )


@dataclass(slots=True)
class Bought:
    """A basket's part at one partner; `fresh` are the cents of it that were for fresh goods."""

    basket: int
    household: int
    time: datetime
    cents: int
    fresh: int

    @property
    def month(self) -> int:
        """The month, counted from January of the demo's year as 1."""
        return (self.time.year - rules.YEAR) * 12 + self.time.month


def _sums_per_basket(lines: Any) -> dict[int, list[Bought]]:
    """Return each partner's purchases in the order of time."""
    import pyarrow.compute as pc

    fresh = pc.multiply(lines["cents"], pc.cast(pc.equal(lines["department"], rules.FRESH), "int64"))
    grouped = lines.append_column("fresh", fresh).group_by(["basket", "household", "time", "partner"])
    found: dict[int, list[Bought]] = {partner: [] for partner in range(len(PARTNERS))}
    for row in grouped.aggregate([("cents", "sum"), ("fresh", "sum")]).to_pylist():
        bought = Bought(row["basket"], row["household"], row["time"], row["cents_sum"], row["fresh_sum"])
        found[row["partner"]].append(bought)
    for purchases in found.values():
        purchases.sort(key=lambda each: (each.time, each.basket))
    return found


def _returns(lines: Any) -> dict[int, dict[str, Any]]:
    """Return the line that comes back of each basket of which one does."""
    import pyarrow as pa
    import pyarrow.compute as pc

    taking = [index for index, terms in enumerate(PARTNERS) if terms.takes_back]
    whole = pc.multiply(pc.divide(lines["basket"], rules.RETURN_CYCLE), rules.RETURN_CYCLE)
    chosen = pc.and_(pc.equal(whole, lines["basket"]), pc.is_in(lines["partner"], pa.array(taking, "int64")))
    rows = lines.filter(chosen).to_pylist()
    return {row["basket"]: row for row in sorted(rows, key=_dearness) if row["cents"]}


def _dearness(row: dict[str, Any]) -> tuple[int, int, str]:
    return row["cents"], -row["partner"], row["department"]


# -- a partner's year ----------------------------------------------------------------------------------


def _earned(partner: int, purchases: list[Bought], returns: dict[int, dict[str, Any]]) -> Earned:
    earned = Earned()
    theirs: dict[int, list[Bought]] = defaultdict(list)
    for each in purchases:
        theirs[each.household].append(each)
    for household in sorted(theirs):
        _live(partner, theirs[household], returns, earned)
    for entries in earned.returned.values():
        entries.sort()
    return earned


def _live(partner: int, year: list[Bought], returns: dict[int, dict[str, Any]], earned: Earned) -> None:
    """Add a household's year at a partner to what its partner's members have."""
    kept = []
    for each, given in zip(year, _given(partner, year), strict=True):
        earned.records += 1
        points = sum(given.values())
        if points:
            earned.points[each.month][each.household] += points
        back = returns.get(each.basket)
        if back is not None and back["partner"] == partner and _handled(each) <= rules.LAST_SPEND_MONTH:
            rest = _without(each, back)
            given = Counter() if rest is None else _standing(partner, rest)
            returned = Returned(each.basket, each.household, each.month, points, sum(given.values()))
            earned.returned[_handled(each)].append(returned)
            if rest is not None:
                kept.append(rest)
        else:
            kept.append(each)
        earned.given.update(given)
    earned.shoppers[year[0].household] = _shopper(partner, len(year), kept)


def _handled(each: Bought) -> int:
    """Return the month in which the desk sees to what of a basket comes back."""
    first, spread = rules.RETURN_DAYS
    when = each.time + timedelta(days=first + each.basket // rules.RETURN_CYCLE % spread)
    return (when.year - rules.YEAR) * 12 + when.month + 1


def _without(each: Bought, back: dict[str, Any]) -> Bought | None:
    """Return what is left of a purchase, if anything is."""
    cents = each.cents - back["cents"]
    if not cents or each.basket // rules.RETURN_CYCLE % rules.RETURN_WHOLE_CYCLE == 0:
        return None
    return replace(each, cents=cents, fresh=each.fresh - back["cents"] * (back["department"] == rules.FRESH))


# -- what campaigns give -------------------------------------------------------------------------------


def _given(partner: int, year: list[Bought]) -> list[Counter[str]]:
    """Return the points of each purchase by campaign."""
    given = [_standing(partner, each) for each in year]
    if partner == FUEL:
        reached = 0
        for each, points in zip(year, given, strict=True):
            level = sum(reached >= threshold for threshold in LADDERS[FUEL].thresholds)
            points["basil-status"] = each.cents // 500 * level
            reached += each.cents // 100
        for points in given[rules.TENTH - 1 :: rules.TENTH]:
            points["basil-tenth"] = rules.TENTH_POINTS
    if partner == ALL_ELSE:
        had: date | None = None
        for each, points in zip(year, given, strict=True):
            today = each.time.date()
            if each.cents >= rules.WEEKLY_CENTS and (had is None or today >= had + timedelta(days=rules.WEEK_DAYS)):
                points["dune-weekly"] = rules.WEEKLY_POINTS
                had = today
    return given


def _standing(partner: int, each: Bought) -> Counter[str]:
    """Return what depends on the purchase alone."""
    if partner == FOOD:
        weekend = each.time.isoweekday() in (6, 7)
        return Counter(
            {
                "aurora-base": each.cents // 100,
                "aurora-fresh": each.fresh // 100,
                "aurora-weekend": weekend * (each.cents // 200),
            }
        )
    name, points = {
        FUEL: ("basil-base", each.cents // 500 * 5),
        DRUGS: ("comet-base", each.cents // 200 * 5),
        ALL_ELSE: ("dune-base", each.cents // 100 * 2),
    }[partner]
    return Counter({name: points})


def _shopper(partner: int, records: int, kept: list[Bought]) -> Shopper:
    """Return what a household is at the year's end, by what it has kept of so many purchases."""
    spend = sum(each.cents for each in kept)
    kinds: dict[int, Callable[[], tuple[int, list[int]]]] = {
        FOOD: lambda: (spend, [500 for each in kept if each.cents >= 10_000]),
        FUEL: lambda: (sum(each.cents // 100 for each in kept), []),
        DRUGS: lambda: (len({each.time.date() for each in kept}), [300 for each in kept if each.cents >= 5_000]),
        ALL_ELSE: lambda: (len(kept), [200]),
    }
    metric, vouchers = kinds[partner]()
    level = sum(metric >= threshold for threshold in LADDERS[partner].thresholds)
    return Shopper(len(kept), spend, metric, level, min(records, rules.BADGE_VISITS), vouchers)
