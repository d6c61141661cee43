"""What can end a load before it runs; the message is for the operator, in one sentence."""

from __future__ import annotations


class LoadError(Exception):
    """The network, or an account on it, does not let the load begin."""
