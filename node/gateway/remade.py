"""An answer that costs something to make and has no turn to wait for, made only so often.

`/metrics` is asked by monitoring, which must be answered also while clients' reads wait in line; so it takes no
turn of theirs, and is bounded in another way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

FRESH_FOR: Final = 20
"""What was made is given for so many times as long as it took to make, some 5 ms: who asks without a pause takes a
twentieth of the event loop at most, and who asks once a second notices nothing."""


class Remade:
    """What `make` returns, made anew once it is not fresh.

    Args:
        now: seconds, by which making is timed.
    """

    def __init__(self, make: Callable[[], bytes], now: Callable[[], float]) -> None:
        self._make = make
        self._now = now
        self._made = b""
        self._fresh_until = -math.inf

    def get(self) -> bytes:
        """Return what was made last, or make it."""
        began = self._now()
        if began >= self._fresh_until:
            self._made = self._make()
            ended = self._now()
            self._fresh_until = ended + (ended - began) * FRESH_FOR
        return self._made
