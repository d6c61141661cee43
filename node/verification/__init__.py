"""Verifying transactions' signatures: by the node itself, or by processes beside it (docs/decisions/workers.md)."""
