"""What tests of commands that speak to a node begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from genesis.keystore import write_key_file
from tests.support.fake_node import KEY, FakeNode


@pytest.fixture
def node() -> Iterator[FakeNode]:
    made = FakeNode()
    yield made
    made.close()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    write_key_file(tmp_path / "key.json", KEY, None)
    return tmp_path / "key.json"
