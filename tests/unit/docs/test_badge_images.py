"""The pictures that README shows are what a chain and a node make of the badge."""

from __future__ import annotations

from tests.reference.badges import IMAGES, files


def test_readmes_badges_are_made_by_the_product() -> None:
    made = files()
    assert {path.name: path.read_bytes() for path in sorted(IMAGES.glob("badge-*.svg"))} == {
        path.name: data for path, data in made.items()
    }, "run python -m tests.reference.badges"
    assert len(made) == 4
    assert len(set(made.values())) == 4
