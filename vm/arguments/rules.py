"""Rules: named constraints on a single value, for use inside Annotated.

No rule asks the Unicode tables of the Python that runs (`str.isprintable`, case, normalisation): two releases of Python answer
such questions differently, and validators would part. What is refused is a fixed list of code points (SPEC section 1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from vm.errors import Refused
from vm.primitives.address import ADDRESS_LENGTH, is_address
from vm.primitives.keys import is_acceptable_key
from vm.primitives.units import MAX_INT, is_lower_hex, is_slug

Check = Callable[[Any, str], Any]
"""Takes the value and its field path; returns the value to pass on, or raises Refused."""

_NON_CHARACTERS: Final = "".join(
    f"{chr(plane + 0xFFFE)}-{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000)
)
REFUSED_IN_TEXT: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufdd0-\ufdef\ufeff\ufff9-\uffff"
    "\U000e0000-\U000e0fff" + _NON_CHARACTERS + "]"
)
"""What people cannot see, or what changes the order in which they see the rest (SPEC section 1)."""

BLANKS: Final = (
    "\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
)
"""The space characters of Unicode 15.1, as a fixed list: none stands at the edge of what people read."""

_CODE = re.compile(r"[\x21-\x7e]+\Z")


def refuse(field: str, expected: str) -> NoReturn:
    """Raise INVALID_ARGS for one field."""
    raise Refused("INVALID_ARGS", f"{field}: expected {expected}", field=field)


class Rule:
    """A constraint on one value.

    Attributes:
        check: how to check.
        schema: its JSON schema.
        units: work units of one check of a value that was never seen before.
        max_bytes: of a string, in UTF-8; None where the rule does not say.
    """

    __slots__ = ("check", "max_bytes", "schema", "units")

    def __init__(
        self, check: Check, schema: Mapping[str, Any], *, units: int = 1, max_bytes: int | None = None
    ) -> None:
        self.check = check
        self.schema = dict(schema)
        self.units = units
        self.max_bytes = max_bytes


def _slug(value: Any, field: str) -> Any:
    if type(value) is not str or not is_slug(value):
        refuse(field, "a slug ([a-z0-9][a-z0-9-]{1,31})")
    return value


def _address(value: Any, field: str) -> Any:
    if type(value) is not str or not is_address(value):
        refuse(field, "an account address (ent1…)")
    return value


SLUG: Final = Rule(_slug, {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{1,31}$"}, max_bytes=32)
ADDRESS: Final = Rule(
    _address, {"type": "string", "pattern": "^ent1[a-z0-9]{38}$"}, units=15, max_bytes=ADDRESS_LENGTH
)


def integer(low: int, high: int = MAX_INT) -> Rule:
    """Return a rule for integers within low … high, both included."""
    words = f"an integer from {low} to {high}"

    def check(value: Any, field: str) -> Any:
        if type(value) is not int or not low <= value <= high:
            refuse(field, words)
        return value

    return Rule(check, {"type": "integer", "minimum": low, "maximum": high})


def text(low: int, high: int) -> Rule:
    """Return a rule for text that people read: low … high UTF-8 bytes, nothing invisible, no blank at its edges."""
    words = f"a string of {low} to {high} bytes without control or invisible characters, and no blank at its edges"

    def check(value: Any, field: str) -> Any:
        if type(value) is not str or len(value) > high or not _is_readable(value):
            refuse(field, words)
        if not low <= len(value.encode()) <= high:
            refuse(field, words)
        return value

    return Rule(
        check, {"type": "string", "minLength": low, "maxLength": high}, units=1 + high // 64, max_bytes=high
    )


def _is_readable(value: str) -> bool:
    if REFUSED_IN_TEXT.search(value) is not None:
        return False
    return not value or (value[0] not in BLANKS and value[-1] not in BLANKS)


def code(high: int = 64) -> Rule:
    """Return a rule for what identifies: 1 … high printable ASCII characters without blanks."""
    words = f"1 to {high} printable ASCII characters without blanks"

    def check(value: Any, field: str) -> Any:
        if type(value) is not str or len(value) > high or _CODE.match(value) is None:
            refuse(field, words)
        return value

    schema = {"type": "string", "pattern": f"^[!-~]{{1,{high}}}$"}
    return Rule(check, schema, max_bytes=high)


def _public_key(value: Any, field: str) -> Any:
    _check_key_bytes(value, field)
    if not is_acceptable_key(bytes.fromhex(value)):
        refuse(field, "a public key in canonical form that is not of small order")
    return value


def hex_bytes(length: int) -> Rule:
    """Return a rule for lower-case hex of exactly `length` bytes."""
    words = f"{length} bytes in lower-case hex"

    def check(value: Any, field: str) -> Any:
        if type(value) is not str or len(value) != 2 * length or not is_lower_hex(value):
            refuse(field, words)
        return value

    return Rule(check, {"type": "string", "pattern": f"^[0-9a-f]{{{2 * length}}}$"}, max_bytes=2 * length)


_check_key_bytes = hex_bytes(32).check
PUBLIC_KEY: Final = Rule(_public_key, {"type": "string", "pattern": "^[0-9a-f]{64}$"}, units=2, max_bytes=64)
"""No small-order and no non-canonical key: anyone could sign for the one, and verifiers disagree about both."""
