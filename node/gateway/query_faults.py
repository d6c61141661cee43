"""What a query's error is to a client of JSON-RPC: the only place that turns one into the other.

The message is the error's own. `data` holds what the client needs to go on, as docs/rpc.md lists it.
"""

from __future__ import annotations

from node.chain.errors import (
    BlockNotFound,
    BlockPruned,
    BudgetSpent,
    CertificateNotFound,
    DigestNotFound,
    NotIndexed,
    QueryError,
    RangeReversed,
    ReceiptsNotFound,
    StateAhead,
    StateDropped,
    TransactionPruned,
    ValidatorsUnknown,
)
from node.gateway.errors import RpcFault


def query_fault(error: QueryError) -> RpcFault:
    """Return the fault for a query that had no answer.

    Raises:
        TypeError: a kind of error that has no fault yet.
    """
    message = str(error)
    match error:
        case BlockNotFound() | CertificateNotFound() | ValidatorsUnknown() | StateAhead():
            return RpcFault("NOT_FOUND", message, height=error.height, head=error.head)
        case DigestNotFound():
            return RpcFault("NOT_FOUND", message, digest=error.digest.hex())
        case ReceiptsNotFound():
            return RpcFault("NOT_FOUND", message, height=error.height)
        case BlockPruned():
            return RpcFault("BLOCK_PRUNED", message, height=error.height, oldest=error.oldest, head=error.head)
        case TransactionPruned():
            return RpcFault("BLOCK_PRUNED", message, id=error.tx_id.hex(), oldest=error.oldest, head=error.head)
        case NotIndexed():
            return RpcFault("NOT_INDEXED", message, **{"from": error.first})
        case StateDropped():
            return RpcFault("STATE_PRUNED", message, height=error.height, head=error.head)
        case BudgetSpent():
            return RpcFault("OUT_OF_BUDGET", message, height=error.height)
        case RangeReversed():
            return RpcFault("INVALID_PARAMS", message, param="to")
    raise TypeError(f"{type(error).__name__} has no fault")
