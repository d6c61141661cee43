"""Amounts of money as people and banks write them, from whole minor units and by integers alone."""

from __future__ import annotations

from typing import Final

_WITHOUT: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE: Final = "BHD IQD JOD KWD LYD OMR TND"
_FOUR: Final = "CLF UYW"
DECIMALS: Final[dict[str, int]] = {
    currency: decimals
    for decimals, currencies in ((0, _WITHOUT), (3, _THREE), (4, _FOUR))
    for currency in currencies.split()
}
"""Currencies whose minor unit is not a hundredth. Source: ISO 4217, list one."""


def decimal(amount: int, currency: str, group: str = "") -> str:
    """Return an amount in units of its currency, such as -1234.50.

    Args:
        amount: minor units.
        group: what stands between groups of three digits.
    """
    decimals = DECIMALS.get(currency, 2)
    whole, part = divmod(abs(amount), 10**decimals)
    text = f"{whole:,}".replace(",", group)
    if decimals:
        text = f"{text}.{part:0{decimals}}"
    return f"-{text}" if amount < 0 else text
