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
    """Carries bytes between hosts: delays, drops, duplicates, partitions."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.drop_percent = 0
        self.duplicate_percent = 0
        self.max_delay_ms = 20
        self.drop_kind_percent: dict[str, int] = {}
        """kind of message -> chance of losing it: locks without decisions, for one."""
        self.groups: dict[int, int] = {}
        """host -> partition group; hosts in different groups do not hear each other."""
        self.only_target_of_commits: int | None = None
        """In a hunt one host alone hears COMMITs, so that it decides alone."""

    def connected(self, a: int, b: int) -> bool:
        """Tell whether two hosts hear each other now."""
        return self.groups.get(a, 0) == self.groups.get(b, 0)

    def send(self, source: int, target: int, deliver: Action, kind: str = "") -> None:
        """Deliver later, perhaps twice, perhaps never."""
        chance = self._world.random
        drop_percent = max(self.drop_percent, self.drop_kind_percent.get(kind, 0))
        if kind == "commit" and self.only_target_of_commits not in (None, target):
            return
        if not self.connected(source, target) or chance.randrange(100) < drop_percent:
            return
        copies = 2 if chance.randrange(100) < self.duplicate_percent else 1
        for _ in range(copies):
            self._world.after(chance.randint(1, self.max_delay_ms), deliver)

    def heal(self) -> None:
        """From now on everything arrives, once and soon."""
        self.groups.clear()
        self.drop_kind_percent.clear()
        self.only_target_of_commits = None
        self.drop_percent = self.duplicate_percent = 0
        self.max_delay_ms = 20
