"""A made-up data set with the columns that the demo reads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

PRODUCTS = {1: "GROCERY", 2: "FUEL", 3: "DRUG GM", 4: "FLORAL", 5: None, 6: "PRODUCE"}


@pytest.fixture
def write_data(tmp_path: Path) -> Callable[[list[tuple[int, int, str, int, float]]], Path]:
    """Write lines of (household, basket, timestamp, product, dollars) as the data set; return its folder."""

    def write(rows: list[tuple[int, int, str, int, float]]) -> Path:
        household, basket, time, product, dollars = zip(*rows, strict=True)
        stamps = [datetime.fromisoformat(text) for text in time]
        lines = {
            "household_id": pa.array(household, "int64"),
            "basket_id": pa.array(basket, "int64"),
            "transaction_timestamp": pa.array(stamps, pa.timestamp("ns")),
            "product_id": pa.array(product, "int64"),
            "sales_value": pa.array(dollars, "float64"),
        }
        pq.write_table(pa.table(lines), tmp_path / "transactions.parquet")
        products = {
            "product_id": pa.array(list(PRODUCTS), "int64"),
            "department": pa.array(list(PRODUCTS.values()), "string"),
        }
        pq.write_table(pa.table(products), tmp_path / "products.parquet")
        return tmp_path

    return write
