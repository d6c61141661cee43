"""Tests that name `each_engine` run on every engine that this Python has (tests/support/engines.py)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from node.store import EngineName
from tests.support.engines import EACH, preferring


@pytest.fixture(params=EACH, scope="module")
def each_engine(request: pytest.FixtureRequest) -> Iterator[EngineName]:
    """Let new databases be kept in this engine."""
    with preferring(request.param):
        yield request.param
