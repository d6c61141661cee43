"""A client of the JSON-RPC gateway for Python programs, and offline verification of what nodes answer."""

from node.client.errors import ClientError, ConnectionFailed, RpcError, VerificationFailed
from node.client.rpc_client import RetryPolicy, RpcClient
from node.client.verification import verify_receipt, verify_state

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
