"""How an evaluation ended."""

from __future__ import annotations

import msgspec

from vm.rules.errors import RuleError
from vm.rules.values import Value


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """How an evaluation ended.

    Attributes:
        value: the result, None also where there is an error.
        error: why there is no result.
        cost: in units of the rule language.
    """

    value: Value
    error: RuleError | None
    cost: int
