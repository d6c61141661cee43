"""What a proof that does not hold is told by."""

from __future__ import annotations


class VerificationFailed(Exception):
    """A document does not prove what it says: its sender's fault. The message says at which step."""
