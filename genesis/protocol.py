"""Which contracts a protocol version runs."""

from __future__ import annotations

from contracts_py.registry import contracts
from vm.runtime import Runtime

PROTOCOL_VERSION = 2
"""The header's `version` of a new chain."""

SUPPORTED_VERSIONS = frozenset({2})
"""The versions that this release can execute; `gov`'s schedule_upgrade moves a chain from one to the next."""


def build_runtime() -> Runtime:
    """Return the contracts of this protocol version, in their fixed order."""
    all_contracts, identity = contracts()
    return Runtime(all_contracts, authority=identity)
