"""The partners' campaigns, levels and badges in the chain's words; docs/demo.md tells them to people.

What they come to is worked out twice by other code: `promises` for the plan, `earnings` for the proof.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from node.demo import rules
from node.demo.lots import Member
from node.demo.operations import Op, address_of
from node.demo.plan import month_start
from node.demo.rules import ALL_ELSE, DRUGS, FOOD, FUEL, LADDERS, LEVELS, PARTNERS

STARTS: Final = month_start(1)
ENDS: Final = month_start(14)
BUDGET: Final = 100_000_000
"""Points, more than all purchases of the data earn: here budgets are kept, not reached."""

BASE, WITH_TIER, EXTRA = 30, 20, 10
"""Priorities, in the order in which a receipt tells them."""

EVENT: Final = "purchase"


def _issue(partner: int, amount: str) -> dict[str, Any]:
    return {"issue": {"program": PARTNERS[partner].program, "amount": amount}}


def _voucher(kind: str, cents: int) -> dict[str, Any]:
    return {"voucher": {"kind": kind, "value": cents, "expires_days": rules.VOUCHER_DAYS}}


def _base(partner: int) -> str:
    terms = PARTNERS[partner]
    return f"event.amount / {terms.unit_cents} * {terms.points_per_unit}"


_FRESH_CENTS: Final = f'sum(event.lines.filter(line, line.department == "{rules.FRESH}").map(line, line.cents))'
_WEEK: Final = {"per_member": {"count": 1, "window_days": rules.WEEK_DAYS}}

CAMPAIGNS: Final[tuple[tuple[tuple[str, int, str, list[dict[str, Any]], dict[str, Any]], ...], ...]] = (
    (
        ("aurora-base", BASE, "true", [_issue(FOOD, _base(FOOD))], {}),
        ("aurora-fresh", EXTRA, f"{_FRESH_CENTS} >= 100", [_issue(FOOD, f"{_FRESH_CENTS} / 100")], {}),
        (
            "aurora-weekend",
            EXTRA,
            "weekday(local(event.at)) >= 6",
            [_issue(FOOD, f"event.amount / {rules.WEEKEND_UNIT_CENTS}")],
            {},
        ),
        (
            "aurora-basket",
            EXTRA,
            f"event.amount >= {rules.BIG_BASKET_CENTS}",
            [_voucher("coupon", rules.BIG_BASKET_VOUCHER)],
            {},
        ),
    ),
    (
        (
            "basil-base",
            BASE,
            "true",
            [_issue(FUEL, _base(FUEL)), {"tier_points": "event.amount / 100"}],
            {},
        ),
        (
            "basil-status",
            WITH_TIER,
            "member.tier_rank > 0",
            [_issue(FUEL, f"event.amount / {PARTNERS[FUEL].unit_cents} * member.tier_rank")],
            {},
        ),
        (
            "basil-tenth",
            EXTRA,
            f"member.profile.purchases % {rules.TENTH} == {rules.TENTH - 1}",
            [_issue(FUEL, str(rules.TENTH_POINTS))],
            {},
        ),
    ),
    (
        ("comet-base", BASE, "true", [_issue(DRUGS, _base(DRUGS))], {}),
        (
            "comet-care",
            EXTRA,
            f"event.amount >= {rules.CARE_CENTS}",
            [_voucher("care", rules.CARE_VOUCHER)],
            {},
        ),
    ),
    (
        ("dune-base", BASE, "true", [_issue(ALL_ELSE, _base(ALL_ELSE))], {}),
        (
            "dune-welcome",
            EXTRA,
            "member.profile.purchases == 0",
            [_voucher("welcome", rules.WELCOME_VOUCHER)],
            {},
        ),
        (
            "dune-weekly",
            EXTRA,
            f"event.amount >= {rules.WEEKLY_CENTS}",
            [_issue(ALL_ELSE, str(rules.WEEKLY_POINTS))],
            _WEEK,
        ),
    ),
)
"""By partner: name, priority, condition, effects, and what else `campaign.create` is to be told."""

NAMES: Final = tuple(tuple(each[0] for each in theirs) for theirs in CAMPAIGNS)

VOUCHERS_BY: Final = ("aurora-basket", "", "comet-care", "dune-welcome")
"""Which of a partner's campaigns gives vouchers."""

_ICONS: Final = ("basket", "bolt", "heart", "gift")
_RINGS: Final = {"none": "plain", "bronze": "milled", "silver": "beaded", "gold": "laurel"}
_PALETTES: Final = {"none": "onyx", "bronze": "bronze", "silver": "silver", "gold": "gold"}
NO_LEVEL: Final = "none"


def marketing_ops(partner: int) -> list[Op]:
    """Return what a partner's marketer sets up: its levels, campaigns, and collection of badges."""
    return [_ladder_op(partner), *_campaign_ops(partner), _collection_op(partner)]


def _ladder_op(partner: int) -> Op:
    terms, ladder = PARTNERS[partner], LADDERS[partner]
    levels = [
        {"name": name, "threshold": threshold, "benefits": []}
        for name, threshold in zip(LEVELS, ladder.thresholds, strict=True)
    ]
    ladder_args = {"brand": terms.brand, "metric": ladder.metric, "levels": levels}
    return "tier.define", {**ladder_args, "window_days": rules.TIER_WINDOW_DAYS, "grace_days": 0}


def _campaign_ops(partner: int) -> list[Op]:
    terms = PARTNERS[partner]
    ops: list[Op] = []
    for name, priority, when, then, more in CAMPAIGNS[partner]:
        args: dict[str, Any] = {"campaign": name, "brand": terms.brand, "event": EVENT, "when": when, "then": then}
        args |= {"starts": STARTS, "ends": ENDS, "priority": priority, **more}
        if any("issue" in effect for effect in then):
            args["budget"] = {"program": terms.program, "amount": BUDGET}
        ops.append(("campaign.create", args))
    return ops


def collection_of(partner: int) -> str:
    """Return the name of a partner's collection of badges."""
    return f"{PARTNERS[partner].brand}-badge"


def _collection_op(partner: int) -> Op:
    terms = PARTNERS[partner]
    seen = "token.traits.visits"
    return "nft.create_collection", {
        "collection": collection_of(partner),
        "brand": terms.brand,
        "name": f"{terms.brand.capitalize()} {terms.title} badge",
        "symbol": terms.brand[:3].upper() + "B",
        "soulbound": True,
        "traits": {
            "level": {"type": "enum", "default": NO_LEVEL, "values": [NO_LEVEL, *LEVELS]},
            "visits": {"type": "int", "default": 0, "min": 0, "max": rules.BADGE_VISITS},
        },
        "evolution": [
            {
                "on": {"event": EVENT},
                "when": f"{seen} < {rules.BADGE_VISITS}",
                "set": {"visits": f"{seen} + 1"},
            },
            {
                "on": "tier",
                "when": "true",
                "set": {"level": f'member.tier == "" ? "{NO_LEVEL}" : member.tier'},
            },
        ],
        "metadata": {"mode": "onchain"},
        "art": {
            "palette": {"trait": "level", "map": _PALETTES},
            "ring": {"trait": "level", "map": _RINGS},
            "icon": _ICONS[partner],
            "progress": {"trait": "visits", "from": 0, "to": rules.BADGE_VISITS},
            "title": terms.brand.upper(),
            "caption": "{level}",
        },
    }


def mint_ops(members: Iterable[Member]) -> list[Op]:
    """Return a badge for each member; its number is the household's."""
    return [
        (
            "nft.mint",
            {"collection": collection_of(member.partner), "token": member.household, "to": address_of(member)},
        )
        for member in members
    ]
