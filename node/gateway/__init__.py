"""The JSON-RPC gateway (SPEC section 6, docs/rpc.md): the one place that knows JSON-RPC and HTTP."""

from node.gateway.server import Gateway

__all__ = ["Gateway"]
