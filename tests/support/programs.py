"""The loyalty program of tests and benchmarks with real nodes: free to transfer, without expiry."""

from __future__ import annotations

from typing import Any, Final

from tests.support.network import LocalNetwork, Op

PROGRAM: Final[dict[str, Any]] = {
    "program": "miles",
    "brand": "aurora",
    "name": "Aurora Miles",
    "symbol": "MIL",
    "decimals": 0,
    "transfer": "free",
    "expiry": {"kind": "none"},
    "transfer_burn_bps": 0,
    "notice_ms": 0,
    "price": {"currency": "EUR", "num": 1, "den": 100},
}
CREATE_PROGRAM: Final[Op] = ("token.create_program", PROGRAM)


def balance(network: LocalNetwork, index: int, account: str) -> int:
    """Return the available points of an account, as one validator answers."""
    return int(network.call(index, "token_balance", program="miles", account=account)["available"])


def issue(network: LocalNetwork, index: int, to: str, amount: int, ref: str) -> dict[str, Any]:
    """Issue points through one validator."""
    return network.send(
        index, "aurora-admin", ("token.issue", {"program": "miles", "to": to, "amount": amount, "ref": ref})
    )
