"""What a load needs on the chain: a program, a campaign that takes purchases, accounts that have points.

All of it stays, and the next load of the same brand uses it again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final

from node.client import RpcClient, RpcError
from node.load.accounts import Accounts
from node.load.clock import ChainClock
from node.load.errors import LoadError
from node.load.units import Brand, Kind, Op
from vm.primitives.address import address_of_key
from vm.primitives.keys import SigningKey

POINTS: Final = 10**9
"""Of an account: it pays one point a transfer. Nine million accounts could hold so many before the counters end."""

TOP_UP_BELOW: Final = POINTS // 2
ISSUES: Final = 250
"""Of one transaction, at some 700 of the 400,000 units that it may use."""

TOGETHER: Final = 4
"""Issuing transactions on their way at once."""

ASKED_TOGETHER: Final = 500
DAY_MS: Final = 86_400_000
CAMPAIGN_DAYS: Final = 3_650
BUDGET: Final = 10**12


async def chain_clock(client: RpcClient) -> ChainClock:
    """Return the block clock of the node's chain."""
    return ChainClock.of(await client.call("node_info"))


async def brand_of(client: RpcClient, key: SigningKey) -> str:
    """Return the brand for which a key issues points.

    Raises:
        LoadError: there is none.
    """
    address = address_of_key(key.public_key)
    shown = await client.call("identity_account", account=address)
    for brand, roles in sorted(shown["roles"].items()):
        if {"admin", "issuer"} <= set(roles):
            return str(brand)
    raise LoadError(f"{address} is admin and issuer of no brand; choose an account that has both roles")


async def prepared(
    client: RpcClient,
    key: SigningKey,
    accounts: Accounts,
    kind: Kind,
    clock: ChainClock,
    tell: Callable[[int], None] = lambda funded: None,
) -> Brand:
    """Make what the load needs and is not there; return the brand that it is of.

    Args:
        tell: called with how many accounts have their points.

    Raises:
        LoadError: the chain refuses it.
        ClientError: the node does not answer, or refuses to.
    """
    name = await brand_of(client, key)
    brand = Brand(f"{name[:27]}-load", name, key)
    if not await _exists(client, "token_program", program=brand.program):
        await _send(client, key, [_program_op(brand)])
    if kind == "record" and not await _exists(client, "campaign_campaign", campaign=brand.program):
        await _send(client, key, [campaign_op(brand, clock.now_ms())])
    if kind == "transfer":
        await _fund(client, brand, [*accounts.addresses, brand.address], tell)
    return brand


def _program_op(brand: Brand) -> Op:
    return "token.create_program", {
        "program": brand.program,
        "brand": brand.name,
        "name": "Load",
        "symbol": "LOAD",
        "decimals": 0,
        "transfer": "free",
        "expiry": {"kind": "none"},
        "transfer_burn_bps": 0,
        "notice_ms": 0,
        "price": {"currency": "EUR", "num": 1, "den": 100},
    }


def campaign_op(brand: Brand, now_ms: int) -> Op:
    """Return the operation that makes a campaign whose one rule fires for each purchase, named as the program."""
    return "campaign.create", {
        "campaign": brand.program,
        "brand": brand.name,
        "event": "purchase",
        "when": "event.amount >= 100",
        "then": [{"issue": {"program": brand.program, "amount": "event.amount / 100"}}],
        "starts": now_ms - DAY_MS,
        "ends": now_ms + CAMPAIGN_DAYS * DAY_MS,
        "budget": {"program": brand.program, "amount": BUDGET},
        "priority": 0,
    }


async def _exists(client: RpcClient, view: str, **args: Any) -> bool:
    try:
        await client.call(view, **args)
    except RpcError as error:
        if error.reason == "NOT_FOUND":
            return False
        raise
    return True


async def _fund(client: RpcClient, brand: Brand, addresses: Sequence[str], tell: Callable[[int], None]) -> None:
    """Issue points to the accounts that have few."""
    poor = [address async for address in _poor(client, brand.program, addresses)]
    funded = len(addresses) - len(poor)
    tell(funded)
    run = secrets.token_hex(8)
    parts = [
        issue_ops(brand.program, poor[start : start + ISSUES], f"fund-{run}-{start}")
        for start in range(0, len(poor), ISSUES)
    ]
    for first in range(0, len(parts), TOGETHER):
        sent = parts[first : first + TOGETHER]
        await asyncio.gather(*(_send(client, brand.key, ops) for ops in sent))
        funded += sum(map(len, sent))
        tell(funded)


async def _poor(client: RpcClient, program: str, addresses: Sequence[str]) -> Any:
    for start in range(0, len(addresses), ASKED_TOGETHER):
        part = addresses[start : start + ASKED_TOGETHER]
        calls = [("token_balance", {"program": program, "account": address}) for address in part]
        for address, balance in zip(part, await client.batch(calls), strict=True):
            if isinstance(balance, RpcError):
                raise balance
            if balance["available"] < TOP_UP_BELOW:
                yield address


def issue_ops(program: str, addresses: Sequence[str], ref: str) -> list[Op]:
    """Return the operations that give accounts points."""
    return [
        ("token.issue", {"program": program, "to": address, "amount": POINTS, "ref": f"{ref}-{place}"})
        for place, address in enumerate(addresses)
    ]


async def _send(client: RpcClient, key: SigningKey, ops: Sequence[Op]) -> None:
    receipt = await client.send_transaction(key, ops)
    if receipt["status"] != "ok":
        error = receipt["error"]
        raise LoadError(f"the chain refuses {ops[0][0]}: {error['code']}: {error['message']}")
