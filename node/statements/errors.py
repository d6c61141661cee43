"""What can keep a statement from being read; the message is for the operator, in one sentence."""

from __future__ import annotations


class StatementError(Exception):
    """The node cannot tell, or its answers do not go together."""
