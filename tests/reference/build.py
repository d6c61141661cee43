"""All files of the reference, made of the stories."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from tests.reference.index import index
from tests.reference.page import events_told, outcomes, page
from tests.reference.stories import STORIES
from tests.reference.story import Story

FOLDER: Final = Path(__file__).parents[2] / "docs" / "contracts"
GUIDE: Final = FOLDER.parent / "contracts.md"


@cache
def stories() -> Mapping[str, Story]:
    """Return the stories as they were told, by contract.

    Raises:
        AssertionError: something that a story says is not so.
    """
    told = {name: tell() for name, tell in STORIES.items()}
    faults = [fault for story in told.values() for fault in story.faults]
    assert not faults, "\n".join(faults)
    return told


def files() -> dict[str, str]:
    """Return name → text of every file in docs/contracts/."""
    told = stories()
    events = events_told(told.values())
    made = {f"{name}.md": page(story, events) for name, story in told.items()}
    made["README.md"] = index(told)
    made["outcomes.json"] = json.dumps(outcomes(told.values(), events), indent=1, ensure_ascii=False) + "\n"
    return made
