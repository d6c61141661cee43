"""Good values of the arguments of tier, and of campaign's room for challenges."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

_LEVELS: list[list[dict[str, Any]]] = [
    [{"name": "bronze", "threshold": 0}, {"name": "silver", "threshold": 10, "benefits": ["lounge"]}],
    [{"name": "silver", "threshold": 5}],
    [{"name": "silver", "threshold": (2**53 - 1) // 16}],
]
_LADDERS = st.sampled_from(["main", "spenders"])
_MATCHES = st.sampled_from(["aurora-match", "basil-match"])
_TIMES = st.sampled_from([0, 1_700_000_000_000, 1_702_000_000_000, 2**53 - 1])


def well_formed(member: str, other: str) -> dict[str, st.SearchStrategy[Any]]:
    """Return good values by `contract.method.argument`, or by argument."""
    people = st.sampled_from([member, other])
    return {
        "tier.define.metric": st.sampled_from(["points", "spend", "visits", "events"]),
        "tier.define.levels": st.sampled_from(_LEVELS),
        "tier.define.window": st.sampled_from(["sliding", "calendar_year", "anniversary"]),
        "tier.define.events": st.just(["purchase"]),
        "tier.define.window_days": st.sampled_from([1, 365]),
        "grace_days": st.sampled_from([0, 30, 1_464]),
        "notice_days": st.sampled_from([0, 30]),
        "soft_landing": st.booleans(),
        "ladder": _LADDERS,
        "from_ladder": _LADDERS,
        "to_ladder": _LADDERS,
        "tier.grant.level": st.sampled_from(["bronze", "silver"]),
        "tier.revoke.level": st.sampled_from(["bronze", "silver"]),
        "tier.grant.until": _TIMES,
        "match": _MATCHES,
        "from_brand": st.sampled_from(["aurora", "basil"]),
        "to_brand": st.sampled_from(["aurora", "basil"]),
        "pairs": st.just([{"from": "silver", "to": "silver"}]),
        "tier.propose_match.days": st.sampled_from([1, 1_464]),
        "tier.propose_match.once": st.booleans(),
        "tier.match.from": people,
        "tier_falling.from": _TIMES,
        "tier_falling.to": _TIMES,
        "benefit": st.sampled_from(["lounge", "bus"]),
        "campaign.challenge.campaign": st.just("aurora-tour"),
        "campaign.end_challenge.campaign": st.just("aurora-tour"),
        "campaign_progress.campaign": st.just("aurora-tour"),
        "campaign.challenge.steps": st.just([{"event": "purchase", "count": 1}]),
        "campaign.challenge.window_days": st.just(9),
        "campaign.challenge.repeat": st.sampled_from([True, False, 3]),
    }
