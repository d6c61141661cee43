"""What can go wrong for a client, by whose fault.

ClientError
├── ConnectionFailed    nobody's answer came: refused, broken off, too slow, or not JSON-RPC
└── RpcError            the node answered with an error object
"""

from __future__ import annotations

from typing import Any


class ClientError(Exception):
    """Base of this package's errors."""


class ConnectionFailed(ClientError):
    """The node did not answer, or not in JSON-RPC. A transaction that was being sent may still commit."""


class RpcError(ClientError):
    """A JSON-RPC error object.

    Attributes:
        code: the number, as in SPEC section 6.
        reason: the stable upper-case word.
        message: one sentence for a developer.
        data: everything that the node adds, `reason` included.
    """

    def __init__(self, code: int, message: str, data: dict[str, Any]) -> None:
        reason = str(data.get("reason", ""))
        super().__init__(f"{reason or code}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.data = data
