"""What happens in a chaos run follows from its seed, and spares the liar."""

from __future__ import annotations

import pytest

from tests.chaos.schedule import KINDS, draw


def test_the_same_seed_gives_the_same_troubles() -> None:
    assert draw(7, 7, [6]) == draw(7, 7, [6])
    assert draw(7, 7, [6]) != draw(8, 7, [6])


@pytest.mark.parametrize(("validators", "liars", "at_once"), [(4, [], 1), (4, [3], 1), (7, [6], 1), (7, [], 2)])
def test_as_many_fail_at_once_as_are_tolerated_and_seldom_one_more(
    validators: int, liars: list[int], at_once: int
) -> None:
    troubles = draw(1, validators, liars)
    assert {trouble.kind for trouble in troubles} == set(KINDS)
    assert not {victim for trouble in troubles for victim in trouble.victims} & set(liars)
    sizes = [len(trouble.victims) for trouble in troubles]
    assert set(sizes) == {at_once, at_once + 1}
    assert 200 < sizes.count(at_once + 1) < 500
