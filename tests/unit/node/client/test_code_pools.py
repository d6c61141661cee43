"""Pools of codes on disk: the same tree as the contract's, whatever the size; nothing repeats or is overwritten."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from contracts_py.campaign.paths import code_leaf, levels, path_of, root_above
from node.cli.main import main
from node.client import code_pools
from node.client.code_pools import CodePoolError, find_code, new_pool
from tests.contract_harness import Chain


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13, 33])
def test_each_code_leads_to_the_root(tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_pools, "_CHUNK", 2)
    root = new_pool(tmp_path / "pool", count, prefix="S-")
    assert json.loads((tmp_path / "pool" / "pool.json").read_text()) == {"count": count, "root": root}
    with (tmp_path / "pool" / "codes.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    leaves = [code_leaf(row["code"], bytes.fromhex(row["salt"])) for row in rows]
    tree = levels(leaves)
    assert (len(rows), tree[-1][0].hex()) == (count, root)
    assert len({row["code"] for row in rows}) == count
    ctx = Chain().context()
    for place, row in enumerate(rows):
        found = find_code(tmp_path / "pool", row["code"])
        assert (found.path, found.salt, found.root) == (path_of(tree, place), row["salt"], root)
        assert root_above(ctx, bytes.fromhex(found.leaf), found.path) == root


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    new_pool(tmp_path / "pool", 2)
    before = (tmp_path / "pool" / "codes.csv").read_bytes()
    with pytest.raises(CodePoolError, match="not empty"):
        new_pool(tmp_path / "pool", 2)
    assert (tmp_path / "pool" / "codes.csv").read_bytes() == before


def test_codes_that_would_repeat_or_be_too_long_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CodePoolError, match="more than 8 random characters"):
        new_pool(tmp_path / "a", 10_000, length=8)
    with pytest.raises(CodePoolError, match="at most 64"):
        new_pool(tmp_path / "b", 1, prefix="x" * 51)
    with pytest.raises(CodePoolError, match="without blanks"):
        new_pool(tmp_path / "c", 1, prefix="A B")
    assert not (tmp_path / "a").exists()


def test_what_is_no_pool_has_no_code(tmp_path: Path) -> None:
    new_pool(tmp_path / "pool", 2)
    with pytest.raises(CodePoolError, match="has no code"):
        find_code(tmp_path / "pool", "NONE")
    with pytest.raises(CodePoolError, match="holds no pool"):
        find_code(tmp_path, "NONE")
    with (tmp_path / "pool" / "codes.csv").open(newline="") as table:
        code = next(csv.DictReader(table))["code"]
    (tmp_path / "pool" / "pool.json").write_text("{}")
    with pytest.raises(CodePoolError, match="holds no pool"):
        find_code(tmp_path / "pool", code)


def test_the_commands_print_what_the_calls_take(tmp_path: Path) -> None:
    folder = str(tmp_path / "pool")
    made = CliRunner().invoke(main, ["codes", "new", "--count", "3", "--to", folder, "--json"])
    assert made.exit_code == 0, made.output
    with (tmp_path / "pool" / "codes.csv").open(newline="") as table:
        code = list(csv.DictReader(table))[2]["code"]
    found = CliRunner().invoke(main, ["codes", "path", code, "--from", folder, "--json"])
    assert json.loads(found.stdout)["root"] == json.loads(made.stdout)["root"]
    assert CliRunner().invoke(main, ["codes", "path", code, "--from", folder]).exit_code == 0
    again = CliRunner().invoke(main, ["codes", "new", "--count", "3", "--to", folder])
    assert (again.exit_code, "is not empty" in again.output) == (1, True)
    lost = CliRunner().invoke(main, ["codes", "path", "NONE", "--from", folder])
    assert (lost.exit_code, "has no code NONE" in lost.output) == (1, True)
