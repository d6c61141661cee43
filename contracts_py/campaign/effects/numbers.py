"""Amounts that rules come to."""

from __future__ import annotations

from typing import Any

from contracts_py.campaign.kinds import RuleFailed
from vm.contract_api import MAX_INT


def amount_from(value: Any, what: str) -> int:
    """Return an amount from 0 on.

    Raises:
        RuleFailed: it is another value.
    """
    if type(value) is not int:
        raise RuleFailed(f"{what} is no integer")
    if value < 0:
        raise RuleFailed(f"{what} is negative")
    if value > MAX_INT:
        raise RuleFailed(f"{what} is more than 2^53 - 1")
    return value
