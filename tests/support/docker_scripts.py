"""The scripts of docker/, which are no package: the image runs them as files."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parents[2] / "docker"


def load_script(name: str) -> ModuleType:
    """Return a script of docker/ as a module of its own, afresh for each caller."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
