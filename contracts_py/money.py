"""Money: whole minor units of a currency, and what one unit of something costs."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec

from vm.contract_api import Amount, Count, Meta, Part, Rule, refuse

_CURRENCY = re.compile(r"[A-Z]{3}\Z")


def _currency(value: Any, field: str) -> Any:
    if type(value) is not str or _CURRENCY.match(value) is None:
        refuse(field, "three capital letters (ISO 4217)")
    return value


Currency = Annotated[
    str, Rule(_currency, {"type": "string", "pattern": "^[A-Z]{3}$"}, max_bytes=3), Meta(max_length=3)
]
CURRENCY: Final = Part("currency", None, str, 3, str)


class Price(msgspec.Struct, frozen=True, gc=False):
    """What one unit costs: num/den minor units of a currency."""

    currency: Currency
    num: Count
    den: Amount

    def at_most(self, units: int) -> int:
        """Return the most that so many units can come to, whatever fraction was left over before.

        A booking is floor((units · num + left over) / den), and what is left over is below den.
        """
        return -(-units * self.num // self.den)
