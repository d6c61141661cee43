"""Asking a node whether it is ready, without an event loop: for those who wait for processes to come up."""

from __future__ import annotations

import urllib.request
from typing import Final

PROBE_TIMEOUT_S: Final = 2.0


def is_ready(url: str) -> bool:
    """Tell whether a node answers at this URL and says that it is ready (GET /ready)."""
    # A proxy of the user's shell is not meant for nodes.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url.rstrip('/')}/ready", timeout=PROBE_TIMEOUT_S) as response:
            return bool(response.status == 200)
    except (OSError, ValueError):
        return False
