"""The OpenRPC document is the same bytes in every process, and its schemas have names that last."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import orjson
import pytest
from msgspec import Meta

from node.gateway.declared import schemas_of
from vm.arguments.rules import code
from vm.tables.page import Page

ROOT = Path(__file__).parents[4]

DISCOVER = """
import pathlib, sys, tempfile
from node.gateway import Gateway
from node.gateway.presentation import dumps
from node.runtime.config import NodeConfig
from tests.support.ledger import LocalChain, LocalNode
with tempfile.TemporaryDirectory() as folder:
    chain = LocalChain(pathlib.Path(folder) / "data", [])
    held = [object() for _ in range(int(sys.argv[1]))]
    sys.stdout.buffer.write(dumps(Gateway(LocalNode(chain), NodeConfig()).table["rpc.discover"].answer({})))
    chain.close()
"""


def discovered(seed: int) -> bytes:
    """Return what `rpc.discover` answers in a process whose sets and memory lie differently for each seed."""
    command = [sys.executable, "-c", DISCOVER, str(seed * 1_000)]
    environment = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, check=True, cwd=ROOT, env=environment, timeout=120).stdout


@pytest.fixture(scope="module")
def documents() -> list[bytes]:
    return [discovered(seed) for seed in (1, 2)]


def test_two_processes_answer_the_same_bytes(documents: list[bytes]) -> None:
    first, second = documents
    assert len(first) > 100_000
    assert first == second


def test_schemas_have_names_that_openrpc_allows_and_no_addresses(documents: list[bytes]) -> None:
    document = orjson.loads(documents[0])
    names = set(document["components"]["schemas"])
    assert "Page_str_" in names
    assert [name for name in names if not re.fullmatch(r"[A-Za-z0-9_.\-]+", name)] == []
    assert b" object at 0x" not in documents[0]
    referred = set(re.findall(rb'"#/components/schemas/([^"]+)"', documents[0]))
    assert {name.decode() for name in referred} <= names


Short, Long = Annotated[str, code(3), Meta(max_length=3)], Annotated[str, code(9), Meta(max_length=9)]


class Shelf(msgspec.Struct, frozen=True):
    """Some codes."""

    codes: list[str]


def test_two_annotated_types_have_names_of_their_own() -> None:
    forms, named = schemas_of([Page[Short], Page[Long], Shelf, Page[Shelf]])
    assert set(named) == {"Page_str_", "Page_str_2", "Shelf", "Page_Shelf_"}
    assert named["Page_str_"]["title"] == "Page[str]"
    assert forms[repr(Page[Short])] == {"$ref": "#/components/schemas/Page_str_"}
    assert forms[repr(Page[Long])] == {"$ref": "#/components/schemas/Page_str_2"}
    assert named["Page_str_2"]["properties"]["items"]["items"]["maxLength"] == 9
