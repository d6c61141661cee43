"""What can go wrong in the store, by whose fault it is.

StoreError
├── StoreFailure        the disk, the file system or the engine failed: nothing of the batch is written
│   └── OtherEngine     another engine wrote the database than the one that is to open it
├── StoreCorrupt        what is stored contradicts itself: the node must not go on with it
├── CommitRefused       our own code committed out of order, or what does not fit the head
└── StateUnavailable    the caller asked for a state that is not here
    ├── StatePruned     … no longer
    └── HeightAhead     … not yet
"""

from node.runtime.errors import DataDamaged, DiskRefused


class StoreError(Exception):
    """Base of everything that the store raises."""


class StoreFailure(StoreError, DiskRefused):
    """The database could not be opened, read or written."""


class OtherEngine(StoreFailure):
    """The database was written by an engine that is not to open it, or that this Python lacks."""


class StoreCorrupt(StoreError, DataDamaged):
    """Stored data contradict each other."""

    @property
    def advice(self) -> str:
        """What an operator does about it."""
        return advice()


HEALING = (
    "move HOME/data away, keep HOME/wal, and restore a backup or start the node again to fetch the chain from its "
    "peers (docs/operations-recovery.md, A damaged store)"
)
"""What an operator does about a StoreCorrupt."""


def advice(home: str = "HOME") -> str:
    """Return what an operator does whose node has met a StoreCorrupt."""
    found = f"With the node stopped, `entente node check --home {home}` tells the first bad height; to heal, "
    return found + HEALING.replace("HOME", home)


class CommitRefused(StoreError):
    """A block does not follow the head, or contradicts a stored block."""


class StateUnavailable(StoreError):
    """The state after a height cannot be had here."""

    def __init__(self, height: int, message: str) -> None:
        super().__init__(message)
        self.height = height


class StatePruned(StateUnavailable):
    """The height lies before the kept history."""


class HeightAhead(StateUnavailable):
    """The height has not been decided, as far as this node knows."""
