"""What holds for all tests.

A shell starts what runs in its background with interrupts ignored, and that is inherited. Tests send interrupts to
themselves and to processes that they start, so they begin with Python's own handling, wherever they are run from.
"""

from __future__ import annotations

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
