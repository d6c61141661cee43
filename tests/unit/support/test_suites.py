"""Every folder of tests is run by `make test`, and real nodes run in tests/processes only (docs/testing.md)."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TESTS = ROOT / "tests"
OWN = ("vm", "consensus", "contracts_py", "network", "genesis", "node", "tests")
REAL_NODES = re.compile(r"\b(LocalNetwork|LyingNetwork|IsolatedNetwork)\b")


def folders() -> set[str]:
    """Return the folders directly under tests/ that hold tests."""
    return {f"tests/{path.relative_to(TESTS).parts[0]}" for path in TESTS.rglob("test_*.py")}


def recipes(makefile: str) -> dict[str, str]:
    """Return what each target is made of: its prerequisites and its commands."""
    found = re.findall(r"^([a-z-]+):((?!=).*\n(?:\t.*\n)*)", makefile, re.MULTILINE)
    return dict(found)


def run_by_make_test(makefile: str) -> set[str]:
    """Return the folders under tests/ that the commands of `make test` name."""
    variables = dict(re.findall(r"^([A-Z_]+) :?= (.*)$", makefile, re.MULTILINE))
    rules = recipes(makefile)
    text = "".join(rules[target] for target in re.sub("##.*", "", rules["test"]).split())
    text = re.sub(r"\$\(([A-Z_]+)\)", lambda match: variables.get(match[1], ""), text)
    return set(re.findall(r"(?<=\s)tests/[a-z_]+(?=\s)", text))


def test_make_test_runs_every_folder_of_tests() -> None:
    assert run_by_make_test((ROOT / "Makefile").read_text()) == folders()


def test_a_folder_that_make_test_leaves_out_is_noticed() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert run_by_make_test(makefile.replace(" tests/model", "")) == folders() - {"tests/model"}
    assert run_by_make_test(makefile.replace(" processes ##", " ##")) == folders() - {"tests/processes"}


def test_pytest_alone_runs_every_folder_of_tests() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(settings["tool"]["pytest"]["ini_options"]["testpaths"]) == folders()


@pytest.mark.parametrize("folder", sorted(folders() - {"tests/processes"}))
def test_real_nodes_are_started_in_tests_processes_only(folder: str) -> None:
    files = [path for path in (ROOT / folder).rglob("*.py") if path != Path(__file__)]
    assert [str(path) for path in files if REAL_NODES.search(path.read_text())] == []


def test_every_program_under_tests_imports_what_is_there() -> None:
    """Benchmarks and long checks run rarely, and nobody would see for days that a module has moved."""
    missing = []
    for path in sorted(TESTS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in OWN:
                lost = [name.name for name in node.names if not is_there(node.module, name.name)]
                missing += [f"{path.relative_to(ROOT)}: {node.module}.{name}" for name in lost]
    assert missing == []


def is_there(module: str, name: str) -> bool:
    """Tell whether a module, or a module of a package, can be imported from where a test says."""
    try:
        return hasattr(importlib.import_module(module), name) or bool(importlib.import_module(f"{module}.{name}"))
    except ModuleNotFoundError as error:
        # The library of a store's engine may be missing on this Python; then the module itself is there.
        return (error.name or "").partition(".")[0] not in OWN
    except ImportError:
        return False
