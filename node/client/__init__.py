"""A client of the JSON-RPC gateway for Python programs, and offline verification of what nodes answer."""

from node.client.errors import ClientError, ConnectionFailed, RpcError
from node.client.rpc_client import RetryPolicy, RpcClient
from node.light_client.documents import verify_receipt, verify_state
from node.light_client.errors import VerificationFailed

__all__ = [
    "ClientError",
    "ConnectionFailed",
    "RetryPolicy",
    "RpcClient",
    "RpcError",
    "VerificationFailed",
    "verify_receipt",
    "verify_state",
]
