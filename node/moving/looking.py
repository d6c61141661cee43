"""What the chain has of some rows already: refs that are paid, members that are enrolled, accounts it knows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from node.client import RpcError
from node.client.rpc_client import Call
from node.moving.chain import Chain
from node.moving.errors import Stopped
from node.moving.plan import Item

UNKNOWN_ACCOUNT = "the chain knows no such account: no member, no role, no points in any program"


@dataclass(frozen=True, slots=True)
class Look:
    """What was found of some rows.

    Attributes:
        open: rows that are still to be paid; `enroll` stands only where the member is none yet.
        paid: (row, id of the transaction) of those that are paid as the file says.
        wrong: (row, reason) of those that cannot be paid.
        enrolled: accounts that are members.
    """

    open: list[Item]
    paid: list[tuple[Item, str]]
    wrong: list[tuple[Item, str]]
    enrolled: set[str]


async def look(chain: Chain, program: str, items: Sequence[Item], *, any_address: bool) -> Look:
    """Ask the chain about rows.

    Args:
        any_address: whether addresses that the chain has never seen are taken, too.

    Raises:
        Stopped: the node does not answer, or otherwise than it should.
    """
    refs = await chain.ask([("token_ref", {"program": program, "ref": item.ref}) for item in items])
    found = Look([], [], [], await _enrolled(chain, {item.account for item in items if item.enroll is not None}))
    strange = {item.account for item in items if not item.known}
    unknown = set() if any_address else strange - await known_accounts(chain, strange)
    for item, outcome in zip(items, refs, strict=True):
        record = found_or_none(outcome)
        if record is not None:
            if (record["account"], record["issued"]) == (item.account, item.amount):
                found.paid.append((item, record["tx"]))
            else:
                words = f"differs: the ref has paid {record['issued']} to {record['account']}"
                found.wrong.append((item, words))
        elif item.account in unknown:
            found.wrong.append((item, UNKNOWN_ACCOUNT))
        else:
            found.open.append(replace(item, enroll=None) if item.account in found.enrolled else item)
    return found


async def _enrolled(chain: Chain, accounts: Iterable[str]) -> set[str]:
    asked = sorted(accounts)
    outcomes = await chain.ask([("identity_member", {"member": account}) for account in asked])
    return {account for account, outcome in zip(asked, outcomes, strict=True) if found_or_none(outcome) is not None}


async def known_accounts(chain: Chain, accounts: Iterable[str]) -> set[str]:
    """Return the accounts that the chain has ever heard of: members, holders of roles or points, rotated keys."""
    asked = sorted(accounts)
    calls: list[Call] = [("identity_account", {"account": account}) for account in asked]
    calls += [("token_balances", {"account": account, "limit": 1}) for account in asked]
    outcomes = await chain.ask(calls)
    known = set()
    for account, shown, points in zip(asked, outcomes[: len(asked)], outcomes[len(asked) :], strict=True):
        record, page = found_or_none(shown) or {}, found_or_none(points) or {}
        if (
            record.get("member")
            or record.get("roles")
            or record.get("auth")
            or record.get("pool")
            or page.get("items")
        ):
            known.add(account)
    return known


def found_or_none(outcome: Any) -> Any:
    """Return a result, or None where the node says NOT_FOUND.

    Raises:
        Stopped: the node answers with another error.
    """
    if not isinstance(outcome, RpcError):
        return outcome
    if outcome.reason != "NOT_FOUND":
        raise Stopped(f"the node refuses a question: {outcome.message} ({outcome.reason})")
    return None
