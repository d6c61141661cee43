"""Erasure: what is known of a person goes; the address, who acts for it, and what it holds stay."""

from __future__ import annotations

from typing import Any

from contracts_py.identity import groups
from contracts_py.identity.authority import Authority
from contracts_py.identity.cards import forget_cards
from contracts_py.identity.hooks import Erasure, IdentityHooks, Regrouped
from contracts_py.identity.merges import forget_reason
from contracts_py.identity.person_answers import ErasureDone
from contracts_py.identity.person_events import Erased
from contracts_py.identity.person_records import ATTESTATIONS, CONSENTS, ERASED, TERMS
from contracts_py.identity.pools import leave_pool
from contracts_py.identity.records import ACCOUNTS, NO_ACCOUNT
from contracts_py.identity.referrals import forget_referrals
from vm.contract_api import Address, Context, Contract, OrderedMap, Refused, call


class Erasures(Contract):
    """The room for erasure."""

    name = "identity"

    def __init__(self, authority: Authority, hooks: IdentityHooks) -> None:
        self._authority = authority
        self._hooks = hooks

    @call
    def erase(self, ctx: Context, member: Address) -> ErasureDone:
        """Erase a member and what was merged into it (compliance of its brand, or the account itself)."""
        groups.require_person(ctx, member)
        self._require_may(ctx, member)
        accounts = tuple(groups.accounts_of(ctx, member))
        for account in accounts:
            self._erase(ctx, account)
        return ErasureDone(member, accounts)

    def _require_may(self, ctx: Context, member: str) -> None:
        if self._authority.is_signer(ctx, member):
            return
        enrolled = (ACCOUNTS.get(ctx, member) or NO_ACCOUNT).member
        if enrolled is None:
            raise Refused("NOT_AUTHORISED", "only the account itself may", account=member)
        self._authority.require_role(ctx, self._authority.brand_acting_for(ctx, enrolled), "compliance")

    def _erase(self, ctx: Context, account: str) -> None:
        leave_pool(ctx, self._hooks, account)
        others = tuple([one for one in groups.group_of(ctx, account) if one != account])
        groups.forget_links(ctx, account)
        ATTESTATIONS.delete(ctx, account)
        _clear(ctx, TERMS, account)
        _clear(ctx, CONSENTS, account)
        forget_referrals(ctx, account)
        forget_cards(ctx, account)
        forget_reason(ctx, account)
        ERASED.put(ctx, ctx.time, account)
        ctx.emit(Erased(account))
        self._hooks.erased.tell(ctx, Erasure(account))
        if others:
            self._hooks.regrouped.tell(ctx, Regrouped(others))


def _clear(ctx: Context, facts: OrderedMap[str, Any], account: str) -> None:
    facts.change(ctx, [(item, None) for item in list(facts.iterate(ctx, account))], account)
