"""Arguments of contract calls, views and gateway methods: declared by annotations, checked before anything happens.

Refusals are part of the receipt, hence consensus: the checks and their words are ours, not a
library's, whose messages would change with its version. Every refusal is INVALID_ARGS with
`details.field`, a dotted path.
"""

from __future__ import annotations

from vm.arguments.binding import Binder, Field
from vm.arguments.rules import Rule, refuse
from vm.arguments.shapes import Shape, shape_of
from vm.arguments.types import (
    Address,
    Amount,
    BasisPoints,
    Count,
    Hash,
    Integer,
    Name,
    PublicKey,
    Ref,
    Scalar,
    ShortText,
    Signature,
    Slug,
    TimeMs,
)

__all__ = [
    "Address",
    "Amount",
    "BasisPoints",
    "Binder",
    "Count",
    "Field",
    "Hash",
    "Integer",
    "Name",
    "PublicKey",
    "Ref",
    "Rule",
    "Scalar",
    "Shape",
    "ShortText",
    "Signature",
    "Slug",
    "TimeMs",
    "refuse",
    "shape_of",
]
