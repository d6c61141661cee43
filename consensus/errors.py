"""The errors of consensus: the peer's fault and our own are different types.

ConsensusError
  PeerError           drop the message, score the peer
    MalformedMessage  not canonical, or of an impossible shape
    InvalidSignature  a signature does not verify
  UnknownHeight       no one's fault: no validator set is known to judge the message by
  InvariantBroken     our own fault: halt
"""

from __future__ import annotations


class ConsensusError(Exception):
    """The root of this package's errors."""


class PeerError(ConsensusError):
    """A peer sent what no correct validator sends."""


class MalformedMessage(PeerError):
    """Bytes that are no consensus message, or one of an impossible shape."""


class InvalidSignature(PeerError):
    """A message, or a vote in its justification, that its claimed signer did not sign."""


class UnknownHeight(ConsensusError):
    """The message is of a height whose validators are not known here.

    Attributes:
        height: the claimed height; sender: the claimed index. Neither is verified.
    """

    def __init__(self, height: int, sender: int) -> None:
        super().__init__(f"no validator set is known for height {height}")
        self.height = height
        self.sender = sender


class InvariantBroken(ConsensusError):
    """The core or the shell broke its contract; going on could fork the chain."""
