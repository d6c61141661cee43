"""docker/constraints.txt names an exact version of all that the image installs, so that two builds are the same."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]


def installed_with(name: str, found: set[str]) -> None:
    """Add a distribution and all that it needs in this environment to those that were found."""
    name = re.sub(r"[-_.]+", "-", name).lower()
    if name in found:
        return
    found.add(name)
    for line in requires(name) or []:
        needed = Requirement(line)
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            installed_with(needed.name, found)


def test_every_dependency_has_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed: set[str] = set()
    for line in project["dependencies"]:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate():
            installed_with(requirement.name, needed)
    lines = (ROOT / "docker" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.partition("==")[0] for line in lines if "==" in line}
    assert needed - pinned == set()


def test_the_versions_are_those_that_the_project_accepts() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    accepted = {needed.name: needed for needed in map(Requirement, project["dependencies"])}
    lines = (ROOT / "docker" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    for name, _, version in (line.partition("==") for line in lines):
        if name in accepted:
            assert accepted[name].specifier.contains(version), name
