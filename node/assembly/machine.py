"""What a node takes from the machine it runs on, besides its clock: files, a database engine, chance, and wires.

Production uses the defaults. The simulator of whole nodes gives others, so that everything a node does follows from
one seed (docs/testing-whole-node.md). Time comes from the event loop (monotonic) and `node.runtime.clock` (of day).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from network.wire import MakeWire, TlsWire
from node.runtime.cores import usable_cores
from node.runtime.files import SYSTEM_FILES, Files
from node.store.engine import OpenEngine
from node.store.engines import open_engine


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine, as one process sees it.

    Attributes:
        files: holds the vote log and the folders of the databases.
        engine: opens a database in such a folder.
        entropy: returns so many bytes that nobody can know before, as os.urandom.
        wire: makes connections to peers.
        cores: how many the process may use; with few it starts no workers.
    """

    files: Files = SYSTEM_FILES
    engine: OpenEngine = open_engine
    entropy: Callable[[int], bytes] = os.urandom
    wire: MakeWire = TlsWire
    cores: Callable[[], int] = usable_cores

    def jitter(self) -> float:
        """Draw a factor between 0.5 and 1."""
        return 0.5 + int.from_bytes(self.entropy(4)) / 2**33
