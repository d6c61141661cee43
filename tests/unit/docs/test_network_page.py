"""docs/network.md has one row for each kind of frame, with the limits of the code."""

from __future__ import annotations

import re
from pathlib import Path

from network.kinds import BURST_SECONDS, KIB, MIB, RULES, Kind, Priority

PAGE = (Path(__file__).parents[3] / "docs/network.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| ((?:\d+ [A-Z_]+(?:, )?)+) \| .* \| ([\d,]+ (?:B|KiB|MiB)) \| (\w+) \| (\d+) frames.* \|$", re.MULTILINE
)
UNITS = {"B": 1, "KiB": KIB, "MiB": MIB}


def test_every_kind_of_frame_has_its_row() -> None:
    told: dict[str, tuple[int, str, int]] = {}
    for names, longest, priority, frames in ROW.findall(PAGE):
        number, unit = longest.split()
        for name in names.split(", "):
            told[name] = (int(number.replace(",", "")) * UNITS[unit], priority, int(frames))
    assert told.keys() == {f"{kind.value} {kind.name}" for kind in Kind}
    for kind, rule in RULES.items():
        longest_bytes, priority, frames = told[f"{kind.value} {kind.name}"]
        assert longest_bytes in (rule.max_bytes, rule.max_bytes - KIB), (
            kind.name
        )  # the page leaves a frame's own KiB out
        assert (Priority[priority.upper()], frames) == (rule.priority, rule.frames_per_second), kind.name


def test_the_page_tells_how_long_bursts_are() -> None:
    assert BURST_SECONDS == 2
    assert "Bursts of two seconds' worth" in PAGE
