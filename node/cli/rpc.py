"""How commands ask a node: one JSON-RPC call at a time, its failures told in one sentence.

Commands are short-lived and ask little, so that this is plain blocking HTTP of the standard library; programs
use `node.client`.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from node.cli.output import CliError

TIMEOUT_S = 10.0
PROBE_TIMEOUT_S = 2.0
DEFAULT_URL = "http://127.0.0.1:8545"

# A proxy of the user's shell is not meant for nodes.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class NodeUnreachable(CliError):
    """Nothing answers at the URL."""


class NodeRefused(CliError):
    """The node answered with a JSON-RPC error.

    Attributes:
        code, reason: as in SPEC section 6.
    """

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(f"{message} ({reason})" if reason else message)
        self.code = code
        self.reason = reason


def call_rpc(url: str, method: str, params: Mapping[str, Any] | None = None, timeout_s: float = TIMEOUT_S) -> Any:
    """Return the result of one JSON-RPC call.

    Raises:
        NodeUnreachable: no node answers there.
        NodeRefused: the node answered with an error.
    """
    request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": dict(params or {})}).encode()
    _, body = _exchange(url, request, timeout_s)
    try:
        answer = json.loads(body)
        error = answer.get("error")
        if error is None:
            return answer["result"]
        data = error.get("data") or {}
        raise NodeRefused(error["code"], str(data.get("reason", "")), str(error["message"]))
    except (ValueError, KeyError, AttributeError, TypeError):
        raise NodeUnreachable(f"what answers at {url} is no node of Entente") from None


def is_ready(url: str) -> bool:
    """Tell whether a node answers at this URL and says that it is ready (GET /ready)."""
    try:
        status, _ = _exchange(f"{url.rstrip('/')}/ready", None, PROBE_TIMEOUT_S)
    except NodeUnreachable:
        return False
    return status == 200


def _exchange(url: str, body: bytes | None, timeout_s: float) -> tuple[int, bytes]:
    try:
        request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
        if request.type not in ("http", "https"):
            raise NodeUnreachable(f"{url} is no http URL")
        with _opener.open(request, timeout=timeout_s) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise NodeUnreachable(f"no node answers at {url}: {reason}") from None
