"""What the identity contract shows: plain values for its views."""

from __future__ import annotations

from typing import Any

from contracts_py.identity_records import (
    BRANDS,
    NO_ACCOUNT,
    Account,
    Brand,
    Membership,
    RoleHolders,
    account_key,
    brand_key,
    role_holders_key,
)
from contracts_py.sequences import list_page, tuple_page
from vm.contract_api import Context, InvariantBroken, Refused


def show_brand(brand: str, record: Brand) -> dict[str, Any]:
    """Return a brand; `terms_hash` is left out where there is none."""
    shown = {
        "brand": brand,
        "name": record.name,
        "offsets": [{"from": offset.from_, "minutes": offset.minutes} for offset in record.offsets],
        "suspended": record.suspended,
    }
    if record.terms_hash is not None:
        shown["terms_hash"] = record.terms_hash
    return shown


def list_brands(ctx: Context, cursor: str | None, limit: int) -> dict[str, Any]:
    """Return a page of the brands in the order of their registration."""

    def show(brand: str) -> dict[str, Any]:
        record = ctx.get(brand_key(brand), Brand)
        if record is None:
            raise InvariantBroken(f"the brand {brand} is listed without a record")
        return show_brand(brand, record)

    return list_page(ctx, BRANDS, cursor, limit, show)


def list_roles(ctx: Context, brand: str, cursor: str | None, limit: int) -> dict[str, Any]:
    """Return a page of the accounts that hold roles of a brand, by address."""

    def show(account: str) -> dict[str, Any]:
        record = ctx.get(account_key(account), Account) or NO_ACCOUNT
        return {"account": account, "roles": list(record.roles_at(brand))}

    holders = ctx.get(role_holders_key(brand), RoleHolders) or RoleHolders()
    return tuple_page(holders.accounts, cursor, limit, show)


def show_member(ctx: Context, member: str) -> dict[str, Any]:
    """Return a member's enrolment.

    Raises:
        Refused: NOT_FOUND.
    """
    record = ctx.get(account_key(member), Account) or NO_ACCOUNT
    if record.member is None:
        raise Refused("NOT_FOUND", "no such member", member=member)
    return {"member": member, **_show_membership(record.member)}


def show_account(ctx: Context, account: str) -> dict[str, Any]:
    """Return an account's roles, and its auth record and membership where it has them."""
    record = ctx.get(account_key(account), Account) or NO_ACCOUNT
    shown: dict[str, Any] = {
        "account": account,
        "roles": {entry.brand: list(entry.roles) for entry in record.roles},
    }
    if record.auth is not None:
        shown["auth"] = {"keys": list(record.auth.keys), "threshold": record.auth.threshold}
    if record.member is not None:
        shown["member"] = _show_membership(record.member)
    return shown


def _show_membership(membership: Membership) -> dict[str, Any]:
    return {
        "brand": membership.brand,
        "ref": membership.ref,
        "enrolled": membership.enrolled,
        "custodial": membership.custodial,
    }
