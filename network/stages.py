"""Where a node's CPU goes: seconds by stage, counted while it runs.

    with STAGES.execute:
        …

Stages nest: what an inner one takes is not the outer one's, so that all of them add up to no more than the
process has used. What no stage covers is the event loop, TLS and HTTP. A stage is entered for a slice of work or
a block, never for a single transaction: entering and leaving takes 1 to 3 µs, most of it for the thread's clock.

CPU time of the event loop's thread is counted, not wall time: on a machine that is shared, waiting for a core is
not work. Only code on the event loop's thread may enter a stage, and it must not await inside one.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import process_time, thread_time
from types import TracebackType
from typing import Final


class Stage:
    """One kind of work.

    Attributes:
        name: as metrics and benchmarks tell it.
        seconds: CPU time spent in it, inner stages excepted.
    """

    __slots__ = ("_stages", "name", "seconds")

    def __init__(self, stages: Stages, name: str) -> None:
        self._stages = stages
        self.name = name
        self.seconds = 0.0

    def __enter__(self) -> None:
        stages, now = self._stages, thread_time()
        if stages.entered:
            stages.entered[-1].seconds += now - stages.mark
        stages.entered.append(self)
        stages.mark = now

    def hand_over(self, since: float, of: float, parts: Mapping[Stage, float]) -> None:
        """Give parts of what this stage has taken to others, in proportion to wall time.

        For stages that alternate with every transaction: the clock of wall time takes a tenth of the thread's.

        Args:
            since: the stage's seconds before the work that is divided.
            of: wall time of that work.
            parts: wall time of each part within it.
        """
        if of > 0:
            scale = (self.seconds - since) / of
            for stage, wall in parts.items():
                stage.seconds += wall * scale
                self.seconds -= wall * scale

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stages, now = self._stages, thread_time()
        self.seconds += now - stages.mark
        stages.entered.pop()
        stages.mark = now


class Stages:
    """All stages of a node, in the order in which a transaction meets them.

    Attributes:
        entered: the stages that are being worked in, innermost last.
        mark: the thread's clock when the innermost was entered or gone back to.
    """

    def __init__(self) -> None:
        self.entered: list[Stage] = []
        self.mark = 0.0
        self.admission = Stage(self, "admission")
        self.parse = Stage(self, "parse")
        self.verify = Stage(self, "verify")
        self.gossip = Stage(self, "gossip")
        self.propose = Stage(self, "propose")
        self.judge = Stage(self, "judge")
        self.consensus = Stage(self, "consensus")
        self.execute = Stage(self, "execute")
        self.tree = Stage(self, "tree")
        self.commit = Stage(self, "commit")
        self.undo = Stage(self, "undo")
        self.index = Stage(self, "index")
        self.write = Stage(self, "write")
        self.wire = Stage(self, "wire")

    def seconds(self) -> dict[str, float]:
        """Return the CPU seconds of each stage so far; asked on the event loop's thread.

        `threads` is what other threads have taken: above all the database's, which compacts its tables.
        """
        found = {stage.name: stage.seconds for stage in vars(self).values() if isinstance(stage, Stage)}
        found["threads"] = process_time() - thread_time()
        return found


STAGES: Final = Stages()
"""Those of this process: CPU time is the process's as well."""
