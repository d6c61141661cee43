"""A campaign's terms: how arguments become terms, which are in force, and which changes wait for notice."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from contracts_py.campaign import language
from contracts_py.campaign.effect_types import Effect, EffectArg
from contracts_py.campaign.effects import Kinds
from contracts_py.campaign.kinds import Draft
from contracts_py.campaign.records import Announced, Campaign, Terms
from contracts_py.campaign.types import Budget, PerMember
from vm.contract_api import Context, Refused, refuse
from vm.rules import Rule


def in_force(campaign: Campaign, time: int) -> tuple[int, Terms]:
    """Return the version and terms of a campaign at a time."""
    announced = campaign.announced
    if announced is None or time < announced.from_:
        return campaign.version, campaign.terms
    return announced.version, announced.terms


def settled(campaign: Campaign, time: int) -> Campaign:
    """Return a campaign's record once what was announced is in force, if it is."""
    version, terms = in_force(campaign, time)
    if version == campaign.version:
        return campaign
    return replace(campaign, version=version, terms=terms, announced=None)


def checked_effects(
    ctx: Context, kinds: Kinds, draft: Draft, args: Sequence[EffectArg], field: str = "then"
) -> tuple[Effect, ...]:
    """Return effects as they are stored.

    Raises:
        Refused: INVALID_ARGS, NOT_AUTHORISED, NOT_FOUND.
    """
    found = []
    for place, arg in enumerate(args):
        here = f"{field}[{place}]"
        named = [(name, getattr(arg, name)) for name in arg.__struct_fields__ if getattr(arg, name) is not None]
        if len(named) != 1:
            refuse(here, "exactly one effect")
        ((name, value),) = named
        kind = kinds.by_name[name]
        effect = kind.check(ctx, draft, value, f"{here}.{name}")
        for source in kind.expressions(effect):
            language.checked(ctx, source, f"{here}.{name}", "any")
        found.append(effect)
    return tuple(found)


def rules_of(kinds: Kinds, when: str, effects: Sequence[Effect]) -> list[Rule]:
    """Return all rules of a version, which were checked."""
    sources = [source for effect in effects for source in kinds.by_type[type(effect)].expressions(effect)]
    return [language.condition(when), *[language.value(source) for source in sources]]


def issues(kinds: Kinds, effects: Sequence[Effect]) -> bool:
    """Tell whether an issuer must sign for effects."""
    return any(kinds.by_type[type(effect)].issues for effect in effects)


def require_sound(ctx: Context, kinds: Kinds, terms: Terms) -> int:
    """Make sure of what terms say besides their effects; return what their rules cost at worst, in work units.

    Raises:
        Refused: INVALID_ARGS, EXPIRED, LIMIT_EXCEEDED.
    """
    if terms.ends <= terms.starts:
        refuse("ends", "a time after starts")
    if terms.ends <= ctx.time:
        raise Refused("EXPIRED", "the campaign would be over already", ends=terms.ends)
    language.checked(ctx, terms.when, "when", "bool")
    cost = language.worst_units(rules_of(kinds, terms.when, terms.then))
    if cost > language.MAX_RULE_UNITS:
        words = "the campaign's rules cost too much at worst"
        raise Refused("LIMIT_EXCEEDED", words, limit=language.MAX_RULE_UNITS, units=cost)
    return cost


def is_worse(old: Terms, new: Terms) -> bool:
    """Tell whether a change can lower what members get: everything can but more time, budget, and uses."""
    generous = replace(
        new,
        ends=old.ends if new.ends >= old.ends else new.ends,
        budget=old.budget if _is_more_budget(old.budget, new.budget) else new.budget,
        per_member=old.per_member if _is_looser(old.per_member, new.per_member) else new.per_member,
        starts=old.starts if new.starts <= old.starts else new.starts,
    )
    return generous != old


def _is_more_budget(old: Budget | None, new: Budget | None) -> bool:
    if old is None or new is None:
        return old is None
    return new.program == old.program and new.amount >= old.amount


def _is_looser(old: PerMember | None, new: PerMember | None) -> bool:
    if old is None or new is None:
        return new is None
    if old.window_days is None or new.window_days is None:
        # For ever is the strictest window.
        return new.count >= old.count and (old.window_days is None or new.window_days is not None)
    return new.count >= old.count and new.window_days <= old.window_days


def changed(campaign: Campaign, terms: Terms, version: int, notice_ms: int, time: int) -> tuple[Campaign, int]:
    """Return a campaign's record with other terms, and from when they are in force.

    Args:
        notice_ms: how long members are told before what lowers what they get.
    """
    begun = campaign.terms.starts <= time < campaign.terms.ends
    if notice_ms and begun and is_worse(campaign.terms, terms):
        from_ = time + notice_ms
        return replace(campaign, announced=Announced(from_, version, terms)), from_
    return replace(campaign, version=version, terms=terms, announced=None), time
