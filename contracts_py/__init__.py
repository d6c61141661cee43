"""The native contracts: identity, token and what later issues add."""
