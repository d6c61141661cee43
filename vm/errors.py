"""What can go wrong in the machine, by whose fault.

    VmError
    ├── Refused          the caller's fault: becomes data in the receipt, never propagates further
    ├── GenesisError     the genesis author's fault: the chain cannot begin
    └── InvariantBroken  our own fault: halts the node with what is needed to see why

Any other exception while a block executes is unexpected and halts the node as well.
"""

from __future__ import annotations

from typing import Any


class VmError(Exception):
    """Base of this package's errors."""


class Refused(VmError):
    """An operation that a contract, or the machine on its behalf, refuses.

    Args:
        code: a stable upper-case code, one of `vm.error_codes.CODES`.
        message: one sentence; the same on every machine, as it is part of the receipt.
        details: what a program needs to react, plain values by name; a name may be `code` or `message` too.
    """

    def __init__(self, code: str, message: str, /, **details: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.details = details


class GenesisError(VmError):
    """A genesis document whose operations cannot be executed."""


class InvariantBroken(VmError):
    """State that our own code must never produce."""
