"""What holds for all tests.

A shell starts what runs in its background with interrupts ignored, and that is inherited. Tests send interrupts to
themselves and to processes that they start, so they begin with Python's own handling, wherever they are run from.

ENTENTE_ENGINE names the engine that keeps their data (tests/support/engines.py).
"""

from __future__ import annotations

import signal

from node.store import engines
from tests.support.engines import CHOSEN

signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

if CHOSEN is not None:
    engines.PREFERRED = (CHOSEN,)
