"""JSON-RPC error codes and reasons (SPEC section 6); the only place that knows the numbers.

Every error object has `data.reason`, a stable upper-case word that programs may switch on; `message` is one
sentence for a developer. `REASONS` is the whole list, from which docs/rpc.md and `rpc.discover` are made.
"""

from __future__ import annotations

from typing import Any, Final

from vm.errors import Refused

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL: Final = -32603
NOT_FOUND: Final = -32001
NOT_READY: Final = -32002
REFUSED: Final = -32003
TIMEOUT: Final = -32004
LIMIT_EXCEEDED: Final = -32005
UNAUTHORISED: Final = -32006

CODES: Final[dict[int, str]] = {
    PARSE_ERROR: "Parse error",
    INVALID_REQUEST: "Invalid request",
    METHOD_NOT_FOUND: "Unknown method",
    INVALID_PARAMS: "Invalid params",
    INTERNAL: "Internal error",
    NOT_FOUND: "Not found",
    NOT_READY: "Not ready",
    REFUSED: "Transaction refused",
    TIMEOUT: "Timeout",
    LIMIT_EXCEEDED: "Limit exceeded",
    UNAUTHORISED: "Unauthorised",
}

REASONS: Final[dict[str, tuple[int, str]]] = {
    "PARSE_ERROR": (PARSE_ERROR, "The body is not JSON (UTF-8, no byte order mark, nested at most 1,024 deep)."),
    "INVALID_REQUEST": (INVALID_REQUEST, "The JSON is not a request object, or is an empty batch."),
    "CONTENT_TYPE": (
        INVALID_REQUEST,
        "POST needs `content-type: application/json` in UTF-8, and no content-encoding.",
    ),
    "BAD_HTTP": (INVALID_REQUEST, "The bytes are no request of HTTP/1.0 or HTTP/1.1; the connection is closed."),
    "HOST_NOT_ALLOWED": (
        INVALID_REQUEST,
        "The Host header names neither an IP address nor localhost, nor is it in `rpc.allowed_hosts` of node.toml.",
    ),
    "ORIGIN_NOT_ALLOWED": (
        INVALID_REQUEST,
        "The request comes from another site's page, which is not in `rpc.allowed_hosts` of node.toml.",
    ),
    "METHOD_NOT_FOUND": (METHOD_NOT_FOUND, "No method has this name."),
    "INVALID_PARAMS": (INVALID_PARAMS, "A parameter is missing, unknown or wrong; `param` names it."),
    "INVALID_ARGS": (INVALID_PARAMS, "A contract view refuses an argument; `param` and `field` name it."),
    "INTERNAL": (INTERNAL, "Our fault; `error_id` stands beside the details in the node's log."),
    "NOT_FOUND": (NOT_FOUND, "The block, transaction, state key, or what a view was asked for does not exist."),
    "BLOCK_PRUNED": (
        NOT_FOUND,
        "The block, or any that may hold an expired transaction, is no longer kept; `oldest` is the first kept.",
    ),
    "NOT_INDEXED": (
        NOT_FOUND,
        "This node does not index it (`store.index` in its node.toml), or only from the height `from` on.",
    ),
    "STATE_PRUNED": (NOT_FOUND, "The state of this height is no longer kept by this node."),
    "NOT_READY": (NOT_READY, "The node cannot answer now: it is starting, syncing or halted."),
    "SHUTTING_DOWN": (NOT_READY, "The node stops; ask another one."),
    "MALFORMED": (REFUSED, "The bytes are no canonical transaction."),
    "BAD_SIGNATURE": (REFUSED, "A signature is missing, wrong, or of a key that the body does not name."),
    "WRONG_CHAIN": (REFUSED, "The transaction is for another chain."),
    "EXPIRED": (
        REFUSED,
        "`expires` is not after the present time. Final once `time` of `node_info` has passed it; before, a "
        "block that was proposed earlier may still execute the transaction.",
    ),
    "EXPIRES_TOO_FAR": (REFUSED, "`expires` is more than max_tx_ttl_ms ahead."),
    "TOO_LARGE": (REFUSED, "The transaction has more than 128 KiB."),
    "NOT_AUTHORISED": (REFUSED, "The signers may not act for the sender."),
    "POOL_FULL": (REFUSED, "The pool of pending transactions is full; try again shortly."),
    "TIMEOUT": (TIMEOUT, "The time ran out; the transaction may still commit."),
    "REQUEST_TOO_LARGE": (LIMIT_EXCEEDED, "The body is larger than `limit` bytes."),
    "BATCH_TOO_LONG": (LIMIT_EXCEEDED, "The batch has more than `limit` entries, or the body as many values."),
    "RESPONSE_TOO_LARGE": (LIMIT_EXCEEDED, "The answer would be larger than `limit` bytes; ask for less."),
    "RATE_LIMITED": (LIMIT_EXCEEDED, "More calls than allowed from this client; wait `retry_after_ms`."),
    "TOO_MANY_CONNECTIONS": (LIMIT_EXCEEDED, "More connections than allowed from this client, or none is free."),
    "OUT_OF_BUDGET": (
        LIMIT_EXCEEDED,
        "A view, or reading a past state, took more work than allowed; ask for less.",
    ),
    "UNAUTHORISED": (UNAUTHORISED, "The method needs `Authorization: Bearer <key>` with a valid key."),
}
"""Reason → (code, meaning). A view's other refusals come as −32602 with the contract's code as the reason."""


class RpcFault(Exception):
    """An error object to be: what a handler raises, or gives back for one call of a batch."""

    def __init__(self, reason: str, message: str, **data: Any) -> None:
        super().__init__(message)
        self.code = REASONS[reason][0] if reason in REASONS else INVALID_PARAMS
        self.message = message
        self.data = {"reason": reason, **data}

    def as_object(self) -> dict[str, Any]:
        """Return the JSON-RPC error object."""
        return {"code": self.code, "message": self.message, "data": self.data}


class HttpRefusal(Exception):
    """A request that is refused as a whole: HTTP's status and the error object; the connection is closed."""

    def __init__(self, status: int, fault: RpcFault) -> None:
        super().__init__(fault.message)
        self.status = status
        self.fault = fault


def invalid_param(param: str, message: str) -> RpcFault:
    """Return the fault for one wrong parameter."""
    return RpcFault("INVALID_PARAMS", message, param=param)


def not_found(message: str, **data: Any) -> RpcFault:
    """Return the fault for something that does not exist."""
    return RpcFault("NOT_FOUND", message, **data)


def params_fault(refusal: Refused) -> RpcFault:
    """Return the fault for parameters of the gateway's own methods that `vm.arguments` refused."""
    return RpcFault("INVALID_PARAMS", refusal.message, param=refusal.details.get("field", ""))


def view_fault(refusal: Refused) -> RpcFault:
    """Return the fault for a view that a contract refused to answer.

    INVALID_ARGS is −32602 and names the field, NOT_FOUND is −32001, OUT_OF_BUDGET −32005; any other refusal
    is −32602 with its own code, because other arguments would be answered.
    """
    data = dict(refusal.details)
    data.pop("reason", None)
    if refusal.code == "INVALID_ARGS":
        data["param"] = data.get("field", "")
    fault = RpcFault("INVALID_ARGS", refusal.message, **data)
    fault.data["reason"] = refusal.code
    if refusal.code in ("NOT_FOUND", "OUT_OF_BUDGET"):
        fault.code = REASONS[refusal.code][0]
    return fault


def refused_transaction(reason: str, message: str) -> RpcFault:
    """Return the fault for a transaction that was not admitted: −32003 for each reason."""
    fault = RpcFault(reason, message)
    fault.code = REFUSED
    return fault
