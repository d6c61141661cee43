"""Good values of the arguments of campaign's rooms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from tests.contract_harness import START
from tests.support.codes import CODES, ROOT, leaf_of, redemption

_NAMES = st.sampled_from(["dairy", "rates", "summer"])
_HASHES = st.sampled_from([ROOT, leaf_of(1), "ab" * 32])
_BY_ARGUMENT: dict[str, st.SearchStrategy[Any]] = {
    "name": _NAMES,
    "items": st.sampled_from([["milk"], ["milk", "bread"]]),
    "entries": st.sampled_from([{"milk": 1}, {"wine": False, "toys": "x"}]),
    "keys": st.just(["milk"]),
    "draft": st.booleans(),
    "item": st.sampled_from(["milk", "y"]),
    "version": st.integers(0, 9),
    "campaign": _NAMES,
    "draw": _NAMES,
    "root": _HASHES,
    "leaf": _HASHES,
    "count": st.integers(1, 9),
    "expires": st.integers(START, START + 10**10),
    "per_member": st.integers(1, 9),
    "code": st.sampled_from(CODES[:2]),
    "salt": _HASHES | st.just(redemption(0)["salt"]),
    "path": st.sampled_from([redemption(0)["path"], redemption(1)["path"], []]),
    "commitment": _HASHES,
    "secret": _HASHES,
    "at": st.integers(0, START),
    "schedule.at": st.sampled_from(["birthday", "anniversary", {"idle_days": 3}, {"days_before_expiry": 3}]),
    "accepted": st.booleans(),
    "attrs": st.just({"amount": 1}),
    "prizes": st.just([{"name": "A pen", "count": 2}]),
    "closes": st.integers(0, START + 10**10),
    "once": st.booleans(),
    "commits": st.integers(0, 4),
    "members": st.just([]),
    "month": st.integers(1, 12),
    "day": st.integers(1, 31),
}
_METHODS = (
    *(f"campaign.{call}" for call in ("collection", "collection_add", "collection_remove")),
    *(f"campaign.{call}" for call in ("value_map", "value_map_set", "value_map_remove", "list_publish")),
    *(f"campaign.{call}" for call in ("list_discard", "codes", "reserve_code", "commit_code", "redeem_code")),
    *(f"campaign.{call}" for call in ("claim_purchase", "decide_claim", "draw", "draw_commit", "draw_reveal")),
    *(f"campaign.{call}" for call in ("schedule", "unschedule", "schedule_enter", "set_birthday", "open_birthday")),
    *(f"campaign_{view}" for view in ("collection", "value_map", "lists", "list_items", "list_value", "code")),
    *(f"campaign_{view}" for view in ("code_pool", "code_pools", "claim", "claims", "draw", "draws")),
    *(f"campaign_{view}" for view in ("draw_winners", "draw_entries", "draw_proof", "schedules", "birthday")),
)

_RULES = st.sampled_from(["true", "event.amount >= 5", "member.profile.purchases == 0"])
_EFFECTS = st.sampled_from(
    [
        [{"issue": {"program": "none", "amount": "event.amount"}}],
        [{"issue": {"program": "none", "amount": 2**53 - 1}}, {"tier_points": 2**53 - 1}],
        [{"voucher": {"kind": "tea", "value": 2**53 - 1, "expires_days": 3_650}}],
        [{"set_profile": {"size": "event.amount"}}],
    ]
)
_EVENTS = st.sampled_from(["purchase", "visit"])
_CORE: dict[str, st.SearchStrategy[Any]] = {
    "campaign": st.sampled_from(["aurora-one", "aurora-two"]),
    "brand": st.just("aurora"),
    "event": _EVENTS,
    "when": _RULES,
    "then": _EFFECTS,
    "starts": st.integers(0, START),
    "ends": st.just(2**53 - 1),
    "budget": st.just({"program": "none", "amount": 2**53 - 1}),
    "per_member": st.sampled_from([{"count": 1}, {"count": 1_000, "window_days": 366}]),
    "priority": st.integers(-9, 9),
    "group": st.just("presents"),
    "required": st.booleans(),
    "groups": st.just(["presents"]),
    "max_per_event": st.integers(1, 9),
    "order": st.sampled_from(["priority", "best"]),
    "variants": st.just([{"name": "double", "bps": 9, "then": [{"tier_points": 1}]}]),
    "holdout_bps": st.integers(0, 9_000),
    "shares": st.just([{"brand": "basil", "bps": 9}]),
    "ref": st.sampled_from(["one", "two"]),
    "return_ref": st.sampled_from(["one", "two"]),
    "at": st.integers(START - 10**9, START),
    "attrs": st.sampled_from([{"amount": 2**53 - 1}, {"amount": 5}, {}]),
    "keep": st.sampled_from([{"amount": 1}, {}]),
    "voucher": st.just("ab" * 16),
    "from": st.integers(0, START),
    "to": st.integers(START + 1, 2**53 - 1),
    "cursor": st.just("19675.0."),
    "limit": st.integers(1, 9),
}
_CORE_METHODS = (
    *(f"campaign.{call}" for call in ("create", "update", "pause", "resume", "end", "set_approval", "propose")),
    *(f"campaign.{call}" for call in ("approve", "stack", "experiment", "fund", "record", "reverse")),
    "campaign.redeem_voucher",
    *(f"campaign_{view}" for view in ("campaign", "uplift", "stack", "preview", "record", "replay", "voucher")),
)


def well_formed(member: str) -> dict[str, st.SearchStrategy[Any]]:
    """Return good values by `contract.method.argument`."""
    found = {f"{method}.{argument}": values for method, argument, values in _all()}
    found.update({f"{method}.{argument}": _CORE[argument] for method in _CORE_METHODS for argument in _CORE})
    found["campaign.schedule.at"] = _BY_ARGUMENT["schedule.at"]
    found["campaign.schedule_enter.members"] = st.just([member])
    return found


def _all() -> Iterable[tuple[str, str, st.SearchStrategy[Any]]]:
    for method in _METHODS:
        for argument, values in _BY_ARGUMENT.items():
            yield method, argument, values
