"""What a contract's source may hold: who it imports, and nothing that differs between machines.

The rules are those of pyproject.toml (import-linter, ruff); here a new contract that breaks them is made up, so
that a rule which only knows the contracts of today is noticed.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = sorted((ROOT / "contracts_py").rglob("*.py"))

VM_MODULES = sorted(
    f"vm.{path.stem}" for path in (ROOT / "vm").iterdir() if path.suffix in ("", ".py") and path.stem[0] != "_"
)
CONTRACT_MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in SOURCES
    if len(path.relative_to(ROOT).parts) > 2 and path.name != "__init__.py"
]


def linted(folder: Path, *command: str) -> str:
    """Return what a tool beside the interpreter says of the sources in a folder."""
    tool = [str(Path(sys.executable).parent / command[0]), *command[1:]]
    # A tool that thinks of a terminal breaks long names over lines.
    wide = {**os.environ, "COLUMNS": "300"}
    done = subprocess.run(tool, cwd=folder, capture_output=True, text=True, check=False, env=wide)
    return done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a folder with the sources and their rules."""
    for package in ("vm", "consensus", "contracts_py", "network", "genesis", "node"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_a_new_contract_imports_the_contract_api_and_what_other_packages_offer_and_nothing_else(copy: Path) -> None:
    allowed = [
        "vm.contract_api",
        "vm.rules",
        "contracts_py.identity",
        "contracts_py.token",
        "contracts_py.calendar",
    ]
    forbidden = [module for module in [*VM_MODULES, *CONTRACT_MODULES] if module not in allowed]
    survey = copy / "contracts_py" / "survey"
    survey.mkdir()
    (survey / "__init__.py").write_text("".join(f"import {module}\n" for module in allowed))
    (survey / "surveys.py").write_text("".join(f"import {module}\n" for module in forbidden))

    said = linted(copy, "lint-imports")

    told = {module for module in forbidden if f"contracts_py.survey.surveys -> {module} (" in said}
    assert told == set(forbidden)
    assert not [module for module in allowed if f"contracts_py.survey -> {module} (" in said]
    assert "every contract has its place BROKEN" in said


@pytest.mark.parametrize("module", ["time", "random", "os", "secrets", "uuid", "datetime", "asyncio", "decimal"])
def test_a_module_that_differs_between_machines_is_refused_in_contracts_and_machine(
    tmp_path: Path, module: str
) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in ("contracts_py", "vm", "node"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "survey.py").write_text(f"import {module}\n\nprint({module})\n")

    said = linted(tmp_path, "ruff", "check", "--output-format", "concise", ".")

    assert {line.partition(":")[0] for line in said.splitlines() if "TID251" in line} == {
        "contracts_py/survey.py",
        "vm/survey.py",
    }


def test_no_call_depends_on_how_a_process_hashes_strings() -> None:
    hashes = [
        subprocess.run(
            [sys.executable, "-m", "tests.support.replay"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert len(hashes[0].strip()) == 64
    assert hashes[0] == hashes[1]


def what_differs(source: str) -> list[str]:
    """Return what a source holds that another machine, or another process, may see in another way."""
    found = [_what_differs(node) for node in ast.walk(ast.parse(source))]
    return [what for what in found if what is not None]


def _what_differs(node: ast.AST) -> str | None:
    match node:
        case ast.Constant(value=float() | complex()) | ast.Div() | ast.Name(id="float"):
            return "a float"
        case ast.Call(func=ast.Name(id="hash" | "id" | "open" | "globals" | "input" as name)):
            return name
        case ast.For(iter=items) | ast.comprehension(iter=items) if _is_set(items):
            return "the order of a set"
        case ast.Call(func=ast.Name(id=name), args=[items, *_]) if name in _KEEPS_ORDER and _is_set(items):
            return "the order of a set"
        case ast.Global():
            return "state outside the tables"
    return None


_KEEPS_ORDER = ("tuple", "list", "iter", "next", "enumerate", "zip", "map")


def _is_set(node: ast.AST) -> bool:
    match node:
        case ast.Set() | ast.SetComp() | ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.BinOp(left=left, right=right):
            return _is_set(left) or _is_set(right)
    return False


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_contract_holds_what_differs_between_machines(path: Path) -> None:
    assert what_differs(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("x = 1.5", "a float"),
        ("x = a / b", "a float"),
        ("x = float(a)", "a float"),
        ("x = hash(a)", "hash"),
        ("x = tuple(set(a))", "the order of a set"),
        ("for x in {a, b}: pass", "the order of a set"),
        ("x = [y for y in set(a) - b]", "the order of a set"),
        ("def f():\n    global x\n    x = 1", "state outside the tables"),
    ],
)
def test_what_differs_between_machines_is_found(source: str, found: str) -> None:
    assert what_differs(source) == [found]


@pytest.mark.parametrize("source", ["x = sorted(set(a))", "x = a in {b, c}", "x = len({*a}) // 2"])
def test_a_set_of_which_no_order_is_seen_is_no_fault(source: str) -> None:
    assert what_differs(source) == []
