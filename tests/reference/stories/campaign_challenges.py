"""Challenges in campaign's story: a tour of two purchases, one of which Ann makes in the story's own record."""

from __future__ import annotations

from typing import Any, Final

from contracts_py.campaign.challenge_records import CHALLENGES_ON, MAX_PER_EVENT
from tests.contract_harness import START, Chain, account_of
from tests.reference.story import Deed, Story, leaving, no, sent, suspended

DAY: Final = 86_400_000
ANN: Final = account_of("ann")
MARKETER: Final = "aurora-marketer"
BOTH: Final = "aurora-marketer+aurora-issuer"
TOUR: Final[dict[str, Any]] = {
    "campaign": "aurora-tour",
    "steps": [{"event": "purchase", "count": 1, "when": "event.amount >= 5000"}],
    "window_days": 31,
    "repeat": True,
}
NO_CAMPAIGN: Final = no("NOT_FOUND", "There is no such campaign.", campaign="moons")
COMMON: Final = [
    NO_CAMPAIGN,
    no("NOT_AUTHORISED", "No marketer of the brand has signed.", by="borea-marketer"),
    no("SUSPENDED", "The brand is suspended.", suspended("aurora")),
    no("SUSPENDED", "The brand leaves the alliance.", leaving("aurora", "borea")),
]


def _steps(**change: Any) -> list[dict[str, Any]]:
    return [{**TOUR["steps"][0], **change}]


def _full() -> Deed:
    """Return a deed: as many challenges as may listen to a purchase."""

    def fill(chain: Chain) -> None:
        for number in range(MAX_PER_EVENT):
            chain.govern(lambda ctx, n=number: CHALLENGES_ON.add(ctx, "aurora", "purchase", item=f"c{n}"))  # type: ignore[misc]

    return fill


def challenged(told: Story) -> None:
    """Show how a challenge is set; the story's next record then reaches it."""
    reward: dict[str, Any] = {
        "campaign": "aurora-tour",
        "brand": "aurora",
        "event": "challenge-tour",
        "when": "true",
        "then": [{"issue": {"program": "stars", "amount": 7}}],
        "starts": START,
        "ends": START + 100 * DAY,
        "budget": {"program": "stars", "amount": 1_000},
    }
    told.does(BOTH, "campaign.create", **reward)
    told.call(
        "campaign.challenge",
        "aurora-marketer",
        "Each purchase of 50.00 or more gives seven stars. A goal may have several steps, at partners too.",
        "a `marketer` of the brand, and one of each other brand whose events count",
        [
            *COMMON,
            no("NOT_ELIGIBLE", "The campaign's event is none of challenges.", campaign="aurora-points"),
            no(
                "ALREADY_EXISTS",
                "The campaign rewards one already.",
                sent("aurora-marketer", "campaign.challenge", **TOUR),
            ),
            no("LIMIT_EXCEEDED", "Sixteen challenges listen to the event.", _full()),
            no("INVALID_ARGS", "A step waits for a challenge.", steps=_steps(event="challenge-tour")),
            no("INVALID_ARGS", "A condition asks for more than the event.", steps=_steps(when="member.kyc > 0")),
            no("INVALID_ARGS", "A condition is no rule.", steps=_steps(when="event.")),
            no("NOT_FOUND", "A step's brand does not exist.", steps=_steps(brand="moons")),
            no("NOT_AUTHORISED", "A step's brand has not signed.", steps=_steps(brand="borea")),
            no("SUSPENDED", "A step's brand is suspended.", suspended("borea"), steps=_steps(brand="borea")),
            no(
                "SUSPENDED",
                "A step's brand leaves the alliance.",
                leaving("borea", "aurora"),
                steps=_steps(brand="borea"),
            ),
        ],
        **TOUR,
    )


def reached(told: Story) -> None:
    """Show what the record has come to, and the end."""
    told.view(
        "campaign_progress",
        "How far Ann has come.",
        [no("NOT_FOUND", "There is no such challenge.", campaign="moons")],
        member=ANN,
    )
    told.view(
        "campaign_challenges",
        "Aurora's challenges.",
        [no("NOT_FOUND", "There is no such brand.", brand="moons")],
        brand="aurora",
    )
    told.call(
        "campaign.end_challenge",
        "aurora-marketer",
        "The tour is over; what was reached stays rewarded.",
        "a `marketer` of the brand",
        [
            *COMMON,
            no("NOT_FOUND", "The campaign rewards no challenge.", campaign="aurora-points"),
            no(
                "EXPIRED",
                "It has ended.",
                sent("aurora-marketer", "campaign.end_challenge", campaign="aurora-tour"),
            ),
        ],
        campaign="aurora-tour",
    )
