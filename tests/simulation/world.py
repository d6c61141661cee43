"""The virtual world: one clock, one event queue, one network, one source of chance.

Everything that happens is an event at an integer millisecond; equal times are ordered by when they were
asked for. All chance comes from one `random.Random(seed)`, drawn in the order of events: the same seed
gives the same run, event for event.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable

Action = Callable[[], None]


class World:
    """Clock and events."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 0
        self.steps = 0
        self._queue: list[tuple[int, int, Action]] = []
        self._count = 0

    def after(self, delay_ms: int, action: Action) -> None:
        """Let something happen later."""
        self._count += 1
        heapq.heappush(self._queue, (self.now + max(0, delay_ms), self._count, action))

    def below(self, bound: int) -> int:
        """Draw 0 … bound − 1; several times faster than `randrange`."""
        return int(self.random.random() * bound)

    def happens(self, percent: int) -> bool:
        """Draw whether something of this probability happens; what cannot happen costs no draw."""
        return percent > 0 and self.random.random() * 100 < percent

    def run_until(self, time_ms: int, done: Callable[[], bool] = lambda: False) -> bool:
        """Let everything happen up to a time; True as soon as `done` holds."""
        while self._queue and self._queue[0][0] <= time_ms:
            self.now, _, action = heapq.heappop(self._queue)
            self.steps += 1
            action()
            if done():
                return True
        self.now = max(self.now, time_ms)
        return done()


class Network:
    """Carries bytes between hosts: delays, drops, duplicates, partitions, one-way cuts."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.drop_percent = 0
        self.duplicate_percent = 0
        self.max_delay_ms = 20
        self.drop_kind_percent: dict[str, int] = {}
        """kind of message -> chance of losing it: locks without decisions, for one."""
        self.groups: dict[int, int] = {}
        """host -> partition group; hosts in different groups do not hear each other."""
        self.cuts: set[tuple[int, int]] = set()
        """(source, target): this direction alone is dead."""
        self.mute: set[int] = set()
        self.deaf: set[int] = set()
        self.only_target_of_commits: int | None = None
        """In a hunt one host alone hears COMMITs, so that it decides alone."""

    def carries(self, source: int, target: int) -> bool:
        """Tell whether the target hears the source now."""
        if source in self.mute or target in self.deaf or (source, target) in self.cuts:
            return False
        return self.groups.get(source, 0) == self.groups.get(target, 0)

    def connected(self, a: int, b: int) -> bool:
        """Tell whether two hosts can ask each other now."""
        return self.carries(a, b) and self.carries(b, a)

    def send(self, source: int, target: int, deliver: Action, kind: str = "") -> None:
        """Deliver later, perhaps twice, perhaps never."""
        world = self._world
        if kind == "commit" and self.only_target_of_commits not in (None, target):
            return
        if not self.carries(source, target):
            return
        if world.happens(max(self.drop_percent, self.drop_kind_percent.get(kind, 0))):
            return
        world.after(1 + world.below(self.max_delay_ms), deliver)
        if world.happens(self.duplicate_percent):
            world.after(1 + world.below(self.max_delay_ms), deliver)

    def heal(self) -> None:
        """From now on everything arrives, once and soon; who is mute or deaf stays so."""
        self.groups.clear()
        self.cuts.clear()
        self.drop_kind_percent.clear()
        self.only_target_of_commits = None
        self.drop_percent = self.duplicate_percent = 0
        self.max_delay_ms = 20
