"""Nothing is declared in vain: rooms are registered, paths and events are their contract's, refusals have codes."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import contracts_py
from contracts_py.registry import contracts
from vm.contract_api import Contract, OnceTable, Schedule
from vm.error_codes import CODES
from vm.events import EVENTS
from vm.tables.layout import keys_of

ROOT = Path(__file__).parents[3]
PACKAGES = ("vm", "contracts_py")


def modules() -> list[ModuleType]:
    """Return all modules of contracts, those that nothing imports included."""
    walked = pkgutil.walk_packages(contracts_py.__path__, "contracts_py.")
    return [importlib.import_module(found.name) for found in walked]


def defined_in(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Yield what a module defines itself: classes by where they say, declarations by where their name is bound."""
    tree = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))
    for node in tree.body:
        for target in [*getattr(node, "targets", []), *filter(None, [getattr(node, "target", None)])]:
            if isinstance(target, ast.Name):
                yield target.id, getattr(module, target.id, None)
        if isinstance(node, ast.ClassDef):
            yield node.name, getattr(module, node.name)


def own_name(module: ModuleType) -> str:
    """Return the name of the contract that a module is of: that of its folder, or its own where it has none."""
    return module.__name__.split(".")[1]


MODULES = modules()


def test_every_room_is_registered_under_the_name_of_its_folder() -> None:
    rooms = {type(room) for room in contracts()[0]}
    made = {
        (module.__name__, value)
        for module in MODULES
        for _, value in defined_in(module)
        if isinstance(value, type) and issubclass(value, Contract)
    }
    assert [value.__name__ for _, value in made if value not in rooms] == []
    assert {(module, value.name) for module, value in made if value.name != module.split(".")[1]} == set()
    assert len(made) >= 6


def test_every_path_and_every_event_begins_with_its_contracts_name() -> None:
    paths = [
        (own_name(module), keys.path)
        for module in MODULES
        for _, value in defined_in(module)
        if (keys := keys_of(value)) is not None
    ]
    told = [(declared.record.__module__.split("."), name) for name, declared in EVENTS.items()]
    assert [path for name, path in paths if not path.startswith(f"{name}/")] == []
    assert [name for at, name in told if at[0] == "contracts_py" and not name.startswith(f"{at[1]}.")] == []
    assert len(paths) >= 20


def test_every_schedule_and_every_once_table_is_of_a_contract_that_the_chain_runs() -> None:
    names = {room.name for room in contracts()[0]}
    declared = [value for module in MODULES for _, value in defined_in(module)]
    paths = [value.keys.path for value in declared if isinstance(value, Schedule | OnceTable)]
    assert [path for path in paths if path.partition("/")[0] not in names] == []
    assert len(paths) >= 4


def refusals(source: str) -> list[str]:
    """Return the first arguments of `Refused(…)` in a source: codes where they are written out, else the code."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and node.args]
    named = [node.args[0] for node in calls if isinstance(node.func, ast.Name) and node.func.id == "Refused"]
    return [str(arg.value) if isinstance(arg, ast.Constant) else ast.unparse(arg) for arg in named]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_refusal_names_a_code(package: str) -> None:
    found = [
        (path.name, code)
        for path in sorted((ROOT / package).rglob("*.py"))
        for code in refusals(path.read_text(encoding="utf-8"))
    ]
    assert [(name, code) for name, code in found if code not in CODES] == []
    assert len(found) >= 10


def test_a_code_that_is_none_is_found() -> None:
    assert refusals('raise Refused("TOO_LATE", "over", at=1)') == ["TOO_LATE"]
    assert refusals("return Refused(code, words)") == ["code"]
