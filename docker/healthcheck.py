"""Container health check: exit code 0 if the node of HOME says that it is ready, otherwise 1 with the reasons.

It runs every few seconds in every container, so that it imports the standard library only, and little of it.
"""

import http.client
import sys
import tomllib
from pathlib import Path

TIMEOUT_S = 4
"""Below the check's own timeout, so that the reason is printed before the engine kills the check."""

DEFAULT_RPC_PORT = 8545


def check(home: Path) -> str | None:
    """Return None where `GET /ready` of the node answers 200, otherwise what is wrong."""
    try:
        settings = tomllib.loads((home / "node.toml").read_text(encoding="utf-8"))
        port = settings.get("rpc_port", DEFAULT_RPC_PORT)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        connection.request("GET", "/ready")
        response = connection.getresponse()
        body = response.read(2_000).decode("utf-8", "replace")
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    return None if response.status == 200 else f"{response.status} {body}"


if __name__ == "__main__":
    problem = check(Path(sys.argv[1]))
    if problem is not None:
        sys.exit(problem)
