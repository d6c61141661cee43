"""The argument types that contracts share. Each names its rule, and the bounds under which it may be stored."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from vm.arguments.rules import ADDRESS, PUBLIC_KEY, SLUG, code, hex_bytes, text
from vm.primitives.units import MAX_INT, MIN_INT

Slug = Annotated[str, SLUG, Meta(max_length=32)]
Address = Annotated[str, ADDRESS, Meta(max_length=42)]
Amount = Annotated[int, Meta(ge=1, le=MAX_INT)]
"""A positive number of a program's smallest unit."""
Count = Annotated[int, Meta(ge=0, le=MAX_INT)]
Integer = Annotated[int, Meta(ge=MIN_INT, le=MAX_INT)]
TimeMs = Annotated[int, Meta(ge=0, le=MAX_INT)]
BasisPoints = Annotated[int, Meta(ge=0, le=10_000)]
Ref = Annotated[str, code(64), Meta(max_length=64)]
"""An outside reference, such as an order number."""
Name = Annotated[str, text(1, 128), Meta(max_length=128)]
Hash = Annotated[str, hex_bytes(32), Meta(max_length=64)]
PublicKey = Annotated[str, PUBLIC_KEY, Meta(max_length=64)]
Signature = Annotated[str, hex_bytes(64), Meta(max_length=128)]
ShortText = Annotated[str, text(0, 1_024), Meta(max_length=1_024)]
Scalar = bool | Integer | ShortText
"""A value of an open map, such as the attributes of an event."""
