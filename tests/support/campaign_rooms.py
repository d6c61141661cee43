"""Calls of campaign's rooms for lists, codes, claims, draws and schedules: what each needs, which roles take it."""

from __future__ import annotations

from typing import Any

from contracts_py.campaign.schedules import birthday_commitment
from tests.contract_harness import START, Op
from tests.support.codes import EXPIRES, ROOT, leaf_of, redemption
from vm.contract_api import MS_PER_DAY

RECEIPT = "cd" * 32
SALT = "11" * 32
_DAIRY = {"name": "dairy", "brand": "aurora"}
_RATES = {"name": "rates", "brand": "aurora"}
_POOL = {"campaign": "aurora-codes", "root": ROOT, "count": 9, "expires": EXPIRES}
_DRAW = {"campaign": "aurora-codes", "prizes": [{"name": "x"}], "closes": START + 9 * MS_PER_DAY}

_TRIP: dict[str, Any] = {"steps": [{"event": "visit", "count": 3}], "window_days": 9}


def prepared_ops(member: str) -> list[Op]:
    """Return genesis operations after which each call of `calls` has what it needs; `member` is aurora's."""
    ops: list[Op] = []
    for campaign, event in (
        ("aurora-codes", "code"),
        ("aurora-idle", "idle"),
        ("aurora-quiet", "idle"),
        ("aurora-cake", "birthday"),
        ("aurora-tour", "challenge"),
        ("aurora-trip", "challenge-trip"),
    ):
        terms: dict[str, Any] = {"campaign": campaign, "brand": "aurora", "event": event, "when": "true"}
        then = [{"set_profile": {"seen": "true"}}]
        ops.append(("campaign.create", {**terms, "then": then, "starts": 0, "ends": START + 900 * MS_PER_DAY}))
    born = birthday_commitment("aurora", member, 11, 15, SALT)
    return [
        *ops,
        ("campaign.collection", {**_DAIRY, "items": ["milk"]}),
        ("campaign.value_map", {**_RATES, "entries": {"milk": 2}}),
        ("campaign.collection", {"name": "coming", "brand": "aurora", "items": [], "draft": True}),
        ("campaign.codes", _POOL),
        ("campaign.draw", {**_DRAW, "draw": "aurora-draw"}),
        ("campaign.schedule", {"campaign": "aurora-cake", "at": "birthday"}),
        ("campaign.schedule", {"campaign": "aurora-idle", "at": {"idle_days": 9}}),
        ("campaign.challenge", {**_TRIP, "campaign": "aurora-trip"}),
        ("campaign.set_birthday", {"brand": "aurora", "member": member, "commitment": born}),
        ("campaign.claim_purchase", {"brand": "aurora", "commitment": RECEIPT, "at": START, "member": member}),
    ]


def calls(member: str, other: str) -> list[tuple[str, dict[str, Any], set[str]]]:
    """Return calls that succeed for exactly these roles of aurora; `other` is a member without a birthday."""
    coming = {"name": "coming", "brand": "aurora"}
    claim = {"brand": "aurora", "commitment": "ce" * 32, "at": START, "member": member}
    reserved = {"leaf": leaf_of(1), "path": redemption(1)["path"], "member": member}
    who = {"brand": "aurora", "member": member}
    return [
        ("campaign.collection", {**_DAIRY, "items": ["bread"]}, {"marketer"}),
        ("campaign.collection_add", {**_DAIRY, "items": ["bread"]}, {"marketer"}),
        ("campaign.collection_remove", {**_DAIRY, "items": ["milk"]}, {"marketer"}),
        ("campaign.value_map", {**_RATES, "entries": {"bread": 1}}, {"marketer"}),
        ("campaign.value_map_set", {**_RATES, "entries": {"bread": 1}}, {"marketer"}),
        ("campaign.value_map_remove", {**_RATES, "keys": ["milk"]}, {"marketer"}),
        ("campaign.list_publish", coming, {"marketer"}),
        ("campaign.list_discard", coming, {"marketer"}),
        ("campaign.codes", {**_POOL, "root": "00" * 32}, {"marketer"}),
        ("campaign.reserve_code", reserved, {"issuer"}),
        ("campaign.redeem_code", {**redemption(0), "member": member}, {"cashier", "issuer"}),
        ("campaign.commit_code", {"member": member, "commitment": RECEIPT}, {"cashier", "issuer"}),
        ("campaign.claim_purchase", claim, {"cashier", "issuer"}),
        ("campaign.decide_claim", {"brand": "aurora", "commitment": RECEIPT, "accepted": False}, {"issuer"}),
        ("campaign.draw", {**_DRAW, "draw": "aurora-second"}, {"marketer"}),
        ("campaign.draw_commit", {"draw": "aurora-draw", "brand": "aurora", "commitment": RECEIPT}, {"admin"}),
        ("campaign.schedule", {"campaign": "aurora-quiet", "at": {"idle_days": 5}}, {"marketer"}),
        ("campaign.schedule_enter", {"campaign": "aurora-idle", "members": [member]}, {"marketer"}),
        ("campaign.unschedule", {"campaign": "aurora-idle"}, {"marketer"}),
        ("campaign.challenge", {**_TRIP, "campaign": "aurora-tour"}, {"marketer"}),
        ("campaign.end_challenge", {"campaign": "aurora-trip"}, {"marketer"}),
        ("campaign.set_birthday", {"brand": "aurora", "member": other, "commitment": RECEIPT}, {"issuer"}),
        ("campaign.open_birthday", {**who, "month": 11, "day": 15, "salt": SALT}, {"issuer"}),
    ]
