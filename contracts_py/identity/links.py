"""Linked addresses: one shopper's accounts at several brands."""

from __future__ import annotations

from contracts_py.identity import groups
from contracts_py.identity.authority import Authority
from contracts_py.identity.hooks import IdentityHooks, Regrouped
from contracts_py.identity.person_answers import LinksShown
from contracts_py.identity.person_events import Linked, Unlinked
from contracts_py.identity.person_records import LINKS, MERGES
from vm.contract_api import Address, Context, Contract, Refused, call, refuse, view


class Links(Contract):
    """The room for links."""

    name = "identity"

    def __init__(self, authority: Authority, hooks: IdentityHooks) -> None:
        self._authority = authority
        self._hooks = hooks

    @call
    def link(self, ctx: Context, member: Address, other: Address) -> LinksShown:
        """Say that two accounts are one shopper's (the holders of both)."""
        if member == other:
            refuse("other", "another account than the member")
        for account in (member, other):
            groups.require_person(ctx, account)
            self._authority.require_acts_for(ctx, account)
        if other in (LINKS.get(ctx, member) or ()):
            raise Refused("ALREADY_EXISTS", "the accounts are linked", member=member, other=other)
        groups.add_edge(ctx, member, other)
        ctx.emit(Linked(member, other))
        self._hooks.regrouped.tell(ctx, Regrouped((member, other)))
        return self.links(ctx, member)

    @call
    def unlink(self, ctx: Context, member: Address, other: Address) -> LinksShown:
        """End the link of two accounts (the holders of both); they stay one where others hold them together."""
        if other not in (LINKS.get(ctx, member) or ()):
            raise Refused("NOT_FOUND", "the accounts are not linked directly", member=member, other=other)
        for account in (member, other):
            self._authority.require_acts_for(ctx, account)
        if _is_merged(ctx, member, other) or _is_merged(ctx, other, member):
            raise Refused("NOT_ELIGIBLE", "one account was merged into the other", member=member, other=other)
        group = groups.group_of(ctx, member)
        groups.remove_edge(ctx, member, other)
        groups.remember_parted(ctx, group)
        ctx.emit(Unlinked(member, other))
        self._hooks.regrouped.tell(ctx, Regrouped((member, other)))
        return self.links(ctx, member)

    @view
    def links(self, ctx: Context, account: Address) -> LinksShown:
        """Return the accounts that are one shopper's with this one."""
        return LinksShown(account, LINKS.get(ctx, account) or (), groups.group_of(ctx, account))


def _is_merged(ctx: Context, source: str, target: str) -> bool:
    merger = MERGES.get(ctx, source)
    return merger is not None and merger.into == target
