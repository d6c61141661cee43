"""What can go wrong in the demo, by whose fault.

DemoError
├── DataMissing       the user's: the demo's extra is not installed
├── NetworkFailed     a validator did not start, died or does not answer
└── ReplayFailed      the chain refused an action, or ran so late that the rules no longer hold
"""

from __future__ import annotations


class DemoError(Exception):
    """Base of this package's errors; shown as one sentence, without a stack trace."""


class DataMissing(DemoError):
    """The data set or its reader is not installed."""


class NetworkFailed(DemoError):
    """The demo's network could not be started, or is no longer there."""


class ReplayFailed(DemoError):
    """An action that the rules say must succeed did not."""
