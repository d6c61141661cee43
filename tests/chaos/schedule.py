"""What happens when, in a chaos run; from a seed, so that a run can be repeated as far as real time allows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final, NamedTuple

KILL: Final = "kill -9"
PAUSE: Final = "pause"
DISCONNECT: Final = "disconnect"
ONE_WAY: Final = "mute"
DISK_FULL: Final = "disk full"
RESTART: Final = "restart"

KINDS: Final = (KILL, PAUSE, DISCONNECT, ONE_WAY, DISK_FULL, RESTART)
SHORTEST_HOLD_S: Final = 1.0
LONGEST_HOLD_S: Final = 10.0
LONGEST_REST_S: Final = 5.0
CROWD_ONE_IN: Final = 6
"""So seldom more validators than the alliance tolerates fail at once: then no block comes until they are back."""


class Trouble(NamedTuple):
    """One kind of trouble, for some validators at once.

    Attributes:
        hold_s: how long it lasts before it is put right.
        rest_s: how long nothing happens after all have recovered.
    """

    kind: str
    victims: tuple[int, ...]
    hold_s: float
    rest_s: float


def draw(seed: int, validators: int, liars: Sequence[int]) -> list[Trouble]:
    """Return more troubles than any run has time for.

    One victim at a time, or `f` less the liars where that is more; in one of CROWD_ONE_IN one too many.
    """
    chance = random.Random(seed)
    honest = [i for i in range(validators) if i not in liars]
    tolerated = max(1, (validators - 1) // 3 - len(liars))
    troubles = []
    for _ in range(2_000):
        count = tolerated + (chance.randrange(CROWD_ONE_IN) == 0)
        troubles.append(
            Trouble(
                chance.choice(KINDS),
                tuple(sorted(chance.sample(honest, count))),
                round(chance.uniform(SHORTEST_HOLD_S, LONGEST_HOLD_S), 1),
                round(chance.uniform(0.0, LONGEST_REST_S), 1),
            )
        )
    return troubles
