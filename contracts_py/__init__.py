"""The native contracts: identity, clearing, token, gov, and what later issues add."""
