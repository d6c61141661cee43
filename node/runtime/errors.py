"""What can go wrong in a node, by whose fault.

    NodeError
    ├── ConfigError        the operator's: a file, a value, a port; the message says which
    ├── TransactionRefused the client's: not taken into the mempool (SPEC section 6, −32003)
    ├── NotReady           the node cannot answer now (syncing, halted, starting)
    ├── DiskRefused        the disk's: what was to be written is not; the process ends, a restart goes on
    └── DataDamaged        the disk's as well: what was written is not what is read; a restart heals nothing

Errors of the store are in node.store; those of them that halt a node are DiskRefused or DataDamaged as well.
"""

from __future__ import annotations

from typing import TypeVar


class NodeError(Exception):
    """Base of this package's errors."""


class ConfigError(NodeError):
    """A mistake in what the operator gave us; shown as one sentence, without a stack trace."""


class TransactionRefused(NodeError):
    """A transaction that does not enter the mempool.

    Attributes:
        reason: MALFORMED, BAD_SIGNATURE, WRONG_CHAIN, EXPIRED, EXPIRES_TOO_FAR, TOO_LARGE, NOT_AUTHORISED,
            POOL_FULL, or BLOCK_PRUNED where it has expired and this node cannot know whether it was executed.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class NotReady(NodeError):
    """The node cannot do this now."""


class DiskRefused(NodeError):
    """The disk refuses a write, or has too little room left."""


class DataDamaged(NodeError):
    """Stored data contradict each other."""

    @property
    def advice(self) -> str:
        """What an operator does about it."""
        return ""


Kept = TypeVar("Kept", bound=BaseException)


def kept(error: Kept) -> Kept:
    """Return a caught error that is to be kept as a value, without the frames that it came through.

    They hold what they were working on, and often, through it, the error itself: a cycle that waits for a full
    collection, which a node makes rarely. A stranger who is refused could fill the memory with such requests.
    """
    error.__traceback__ = error.__context__ = error.__cause__ = None
    return error


class NotOffered(Exception):
    """The peer does not offer this snapshot, or no more."""


class BadPart(Exception):
    """A peer sent what is not part of the snapshot: its fault."""
