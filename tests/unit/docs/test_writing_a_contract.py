"""docs/writing-a-contract.md is executed: its blocks make the files that they name, and its tests pass."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import contracts_py
import tests.unit.contracts
from vm import events

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "writing-a-contract.md"
BLOCK = re.compile(r"^```python file=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONTRACT, TEST = "contracts_py/booking.py", "tests/unit/contracts/test_booking.py"


def files_of_the_page() -> dict[str, str]:
    """Return the files that the page's blocks make; blocks of one file follow each other."""
    files: dict[str, str] = {}
    for name, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        files[name] = files.get(name, "") + text
    return files


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Write the page's files, and return the folder in which they are."""
    for name, text in files_of_the_page().items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def page_tests(made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Import the page's test as if its files stood in the repository; afterwards nothing of it is left."""
    packages = [(contracts_py, CONTRACT), (tests.unit.contracts, TEST)]
    for package, file in packages:
        monkeypatch.setattr(package, "__path__", [*package.__path__, str((made / file).parent)])
    for registry in ("EVENTS", "_TYPES"):
        monkeypatch.setattr(events, registry, dict(getattr(events, registry)))
    try:
        yield importlib.import_module("tests.unit.contracts.test_booking")
    finally:
        for package, file in packages:
            name = Path(file).stem
            sys.modules.pop(f"{package.__name__}.{name}", None)
            vars(package).pop(name, None)


def test_the_tests_of_the_page_pass(page_tests: ModuleType) -> None:
    functions = [value for name, value in vars(page_tests).items() if name.startswith("test_")]
    assert len(functions) == 6
    for function in functions:
        function()


def test_the_code_of_the_page_is_as_lint_wants_it(made: Path) -> None:
    for command in (["check"], ["format", "--check"]):
        arguments = [*command, "--config", str(ROOT / "pyproject.toml"), CONTRACT, TEST]
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments], cwd=made, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout


def test_every_block_of_python_names_its_file() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count("```python") == len(BLOCK.findall(text))
    assert set(files_of_the_page()) == {CONTRACT, TEST}
