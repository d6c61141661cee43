"""The story of tier: Aurora's ladder, who climbs it, and a treaty by which Borea honours its levels."""

from __future__ import annotations

from typing import Any, Final

from contracts_py.identity import Authority
from contracts_py.tier import TierHooks, Tiers
from contracts_py.tier.records import (
    LADDERS,
    LADDERS_OF_MEMBER,
    MAX_GRANTS,
    MAX_LADDERS,
    MAX_LADDERS_OF_MEMBER,
    Listed,
)
from tests.contract_harness import START, account_of
from tests.reference.story import Deed, Story, alliance_ops, leaving, left, many, no, sent, suspended, waited
from vm.primitives.address import address_of_member, address_of_pool

DAY: Final = 86_400_000
ANN, BOB, CAT = account_of("ann"), account_of("bob"), account_of("cat")
LEVELS: Final[list[dict[str, Any]]] = [
    {"name": "bronze", "threshold": 0, "benefits": []},
    {"name": "silver", "threshold": 100, "benefits": ["free-shipping"]},
    {"name": "gold", "threshold": 300, "benefits": ["free-shipping", "lounge"]},
]
LADDER: Final[dict[str, Any]] = {
    "brand": "aurora",
    "metric": "points",
    "levels": LEVELS,
    "window_days": 365,
    "grace_days": 30,
}
PAIRS: Final = [{"from": "silver", "to": "blue"}, {"from": "gold", "to": "black"}]
NO_BRAND: Final = no("NOT_FOUND", "There is no such brand.", brand="moons")
NO_LADDER: Final = no("NOT_FOUND", "The brand has no ladder.", brand="cielo")
NO_SUCH_LADDER: Final = no("NOT_FOUND", "The brand has no ladder of this name.", ladder="none")
A_SIDE: Final = "an `admin` of one of the two brands"


def counted(member: str, points: int) -> Deed:
    """Return a deed: a campaign's rules give a member points for its tier at Aurora."""
    hooks = TierHooks()
    hooks.changed.wire()
    tiers = Tiers(Authority(), hooks)
    return lambda chain: chain.govern(lambda ctx: tiers.add_points(ctx, "aurora", member, points, ctx.time))


def changed(place: int, **change: Any) -> list[dict[str, Any]]:
    """Return the levels, one of them with changes."""
    return [{**level, **change} if at == place else level for at, level in enumerate(LEVELS)]


def redefined_often() -> Deed:
    """Return a deed: dearer and dearer terms have followed each other from day to day."""

    def terms(threshold: int) -> Deed:
        dearer = changed(2, threshold=threshold)
        return sent("aurora-marketer", "tier.define", **{**LADDER, "levels": dearer}, notice_days=0)

    each = (deed for threshold in (301, 302, 303) for deed in (terms(threshold), waited(DAY)))
    first = sent("aurora-marketer", "tier.define", **LADDER, notice_days=0)
    return many(iter([first, counted(ANN, 1), *each]))


def many_ladders() -> Deed:
    """Return a deed: the brand has as many ladders as it may."""
    full = tuple([Listed(f"ladder-{number}", "points") for number in range(MAX_LADDERS)])
    return lambda chain: chain.govern(lambda ctx: LADDERS.put(ctx, full, "aurora"))


def many_standings() -> Deed:
    """Return a deed: Bob has a standing in as many ladders as he may."""
    full = tuple(sorted(("aurora", f"ladder-{number}") for number in range(MAX_LADDERS_OF_MEMBER)))
    return lambda chain: chain.govern(lambda ctx: LADDERS_OF_MEMBER.put(ctx, full, BOB))


def many_grants() -> tuple[Deed, ...]:
    """Return deeds: Bob was given as many levels as he may be, of a ladder that has so many."""
    levels = [*LEVELS, *[{"name": f"l{number}", "threshold": 400 + number} for number in range(MAX_GRANTS)]]
    until = START + 300 * DAY
    return (
        sent("aurora-marketer", "tier.define", **{**LADDER, "levels": levels}),
        many(
            sent("aurora-issuer", "tier.grant", member=BOB, level=f"l{number}", until=until, reason="kind")
            for number in range(MAX_GRANTS)
        ),
    )


def two_roles() -> Deed:
    """Return a deed: Aurora's issuer is Borea's as well."""
    return sent(
        "borea-admin", "identity.grant_role", brand="borea", role="issuer", account=account_of("aurora-issuer")
    )


def merged_away() -> Deed:
    """Return a deed: two members of Aurora are enrolled, the first is merged into the second."""

    def deed(chain: Any) -> None:
        old, new = (
            chain.send("aurora-issuer", "identity.enroll", brand="aurora", ref=f"{number:02x}" * 32)
            for number in (1, 2)
        )
        chain.send("aurora-issuer", "identity.merge", from_=old, into=new, reason="one card")

    return deed


def story() -> Story:
    """Tell it."""
    intro = (
        "The brands Aurora, Borea and Cielo, each with one person for each role. Ann, Bob and Cat are shoppers; "
        "what they buy is counted by campaigns, which the story leaves out."
    )
    told = Story("tier", intro, alliance_ops("aurora", "borea", "cielo"))
    _ladder(told)
    _statuses(told)
    _grants(told)
    _matches(told)
    return told


def _ladder(told: Story) -> None:
    told.call(
        "tier.define",
        "aurora-marketer",
        "Aurora has three levels, by points of the last 365 days; a level that is lost stays for 30 more.",
        "a `marketer` or an `admin` of the brand",
        [
            NO_BRAND,
            no("NOT_AUTHORISED", "No marketer or admin of the brand has signed.", by="aurora-issuer"),
            no("SUSPENDED", "The brand is suspended.", suspended("aurora")),
            no("SUSPENDED", "The brand leaves the alliance.", leaving("aurora", "borea")),
            no("INVALID_ARGS", "Two levels have one name.", levels=changed(1, name="gold")),
            no("INVALID_ARGS", "The thresholds do not ascend.", levels=changed(1, threshold=300)),
            no("INVALID_ARGS", "A level lists a benefit twice.", levels=changed(1, benefits=["bus", "bus"])),
            no("INVALID_ARGS", "A sliding window has no `window_days`.", window_days=None),
            no("INVALID_ARGS", "A yearly window has another length.", window="calendar_year", window_days=30),
            no("INVALID_ARGS", "Points are counted by rules, not by `events`.", events=["visit"]),
            no("LIMIT_EXCEEDED", "Window, grace and landings are longer than four years.", window_days=1_464),
            no("LIMIT_EXCEEDED", "The brand has eight ladders.", many_ladders(), ladder="one-more"),
            no(
                "LIMIT_EXCEEDED",
                "Too many former terms still count.",
                redefined_often(),
                levels=changed(2, threshold=400),
            ),
            no(
                "NOT_ELIGIBLE",
                "The ladder counts something else.",
                sent("aurora-marketer", "tier.define", **LADDER),
                metric="spend",
            ),
        ],
        **LADDER,
    )
    told.view("tier_ladder", "The ladder.", [NO_LADDER, NO_SUCH_LADDER], brand="aurora")
    told.view("tier_ladders", "It is Aurora's only one.", [NO_BRAND], brand="aurora")


def _statuses(told: Story) -> None:
    told.then(
        "Rules of campaigns give Ann 310 points for her tier, and Cat 120.", counted(ANN, 310), counted(CAT, 120)
    )
    told.then("200 days pass, and Cat gets another 40.", waited(200 * DAY), counted(CAT, 40))
    told.view(
        "tier_status",
        "Ann is gold.",
        [NO_LADDER, NO_SUCH_LADDER, NO_BRAND],
        brand="aurora",
        member=ANN,
    )
    told.view("tier_statuses", "All of Ann's levels, at all brands.", member=ANN)
    told.view("tier_grants", "Ann may enter the lounge.", [NO_BRAND], brand="aurora", member=ANN, benefit="lounge")
    told.view("tier_members", "Who has collected anything.", [NO_LADDER, NO_SUCH_LADDER], brand="aurora")
    told.view(
        "tier_falling",
        "Whose level ends within the year, unless he collects more: for those who must warn.",
        [NO_LADDER, NO_SUCH_LADDER],
        brand="aurora",
        from_=START,
        to=START + 400 * DAY,
    )


def _grants(told: Story) -> None:
    until = START + 500 * DAY
    home = {"member": BOB, "name": "home"}
    common = [
        no("NOT_AUTHORISED", "No issuer has signed.", by="bob"),
        no("INVALID_ARGS", "The signer is issuer of two brands, and names none.", two_roles()),
        NO_BRAND,
        NO_SUCH_LADDER,
    ]
    granted = {"member": BOB, "level": "silver", "until": until, "reason": "A year of patience"}
    told.call(
        "tier.grant",
        "aurora-issuer",
        "Aurora makes up for a lost parcel: Bob is silver until a day.",
        "an `issuer` of the brand",
        [
            *common,
            no("NOT_FOUND", "The ladder has no such level.", level="tin"),
            no("SUSPENDED", "The brand is suspended.", suspended("aurora")),
            no("SUSPENDED", "The brand leaves the alliance.", leaving("aurora", "borea")),
            no("EXPIRED", "The time is over.", until=START),
            no("LIMIT_EXCEEDED", "It would last longer than ten years.", until=START + 5_000 * DAY),
            no("LIMIT_EXCEEDED", "The member has eight of them already.", *many_grants()),
            no("LIMIT_EXCEEDED", "The member has a standing in 64 ladders.", many_standings()),
            no("NOT_ELIGIBLE", "The member was erased.", sent("bob", "identity.erase", member=BOB)),
            no(
                "NOT_ELIGIBLE",
                "The account is a household pool.",
                sent("bob", "identity.pool_open", **home),
                member=address_of_pool(BOB, "home"),
            ),
            no(
                "NOT_ELIGIBLE",
                "The member was merged into another.",
                merged_away(),
                member=address_of_member("aurora", b"\x01" * 32),
            ),
        ],
        **granted,
    )
    told.call(
        "tier.revoke",
        "aurora-issuer",
        "The parcel had been delivered.",
        "an `issuer` of the brand",
        [*common, no("NOT_FOUND", "The member was not given this level.", level="gold")],
        member=BOB,
        level="silver",
        reason="The parcel was found",
    )


def _matches(told: Story) -> None:
    shades = [{"name": "blue", "threshold": 50}, {"name": "black", "threshold": 90}]
    borea = {"brand": "borea", "metric": "spend", "levels": shades, "window": "calendar_year", "grace_days": 90}
    told.does("borea-marketer", "tier.define", **borea)
    told.then("It is the next day.", waited(DAY))
    now = told.chain.time
    terms: dict[str, Any] = {
        "match": "aurora-honoured",
        "from_brand": "aurora",
        "to_brand": "borea",
        "pairs": PAIRS,
        "valid_from": now,
        "valid_to": now + 365 * DAY,
        "days": 90,
    }
    _propose(told, terms)
    own = {"match": "aurora-honoured"}
    ended = sent("borea-admin", "tier.end_match", **own)
    gone = no("NOT_FOUND", "There is no such match.", match="moons")
    accepted = sent("borea-admin", "tier.accept_match", **own)
    over = [
        no("EXPIRED", "A side has ended it.", ended),
        no("EXPIRED", "Its time is over.", waited(366 * DAY)),
    ]
    told.call(
        "tier.accept_match",
        "borea-admin",
        "Borea agrees.",
        "an `admin` of the brand that has not proposed it",
        [
            gone,
            no("NOT_AUTHORISED", "No admin of the other brand has signed.", by="aurora-admin"),
            no("NOT_ELIGIBLE", "It is accepted.", accepted),
            *over,
        ],
        **own,
    )
    _use(told, own, [gone, *over])
    told.view("tier_match_treaty", "What they agreed on.", [gone], **own)
    told.view("tier_matches", "All of Borea's.", [NO_BRAND], brand="borea")
    told.call(
        "tier.end_match",
        "aurora-admin",
        "Aurora ends it; what was given runs on.",
        A_SIDE,
        [gone, no("NOT_AUTHORISED", "No admin of either side has signed.", by="cielo-admin"), *over],
        **own,
    )


def _propose(told: Story, terms: dict[str, Any]) -> None:
    told.call(
        "tier.propose_match",
        "aurora-admin",
        "Aurora asks Borea to honour its levels, each time for 90 days.",
        A_SIDE,
        [
            no("NOT_FOUND", "There is no such brand.", to_brand="moons"),
            no("NOT_FOUND", "The brand has no ladder.", to_brand="cielo"),
            no("NOT_FOUND", "The brand has no ladder of this name.", from_ladder="none"),
            no("NOT_FOUND", "A ladder has no such level.", pairs=[{"from": "tin", "to": "blue"}]),
            no("NOT_AUTHORISED", "No admin of either side has signed.", by="cielo-admin"),
            no("NOT_AUTHORISED", "The name is reserved for another brand.", match="borea-honours"),
            no("ALREADY_EXISTS", "The match exists.", sent("aurora-admin", "tier.propose_match", **terms)),
            no("NOT_ELIGIBLE", "Both sides are one brand.", to_brand="aurora"),
            no("INVALID_ARGS", "`valid_to` is not after `valid_from`.", valid_to=0),
            no("INVALID_ARGS", "A higher level gives less.", pairs=[PAIRS[1], PAIRS[0]]),
            no("EXPIRED", "It would be over already.", valid_from=0, valid_to=START),
            no("SUSPENDED", "A side is suspended.", suspended("borea")),
            no("SUSPENDED", "A side leaves the alliance.", leaving("borea", "aurora")),
        ],
        **terms,
    )


def _use(told: Story, own: dict[str, Any], common: list[Any]) -> None:
    later = {
        "match": "aurora-later",
        "from_brand": "aurora",
        "to_brand": "borea",
        "pairs": PAIRS,
        "valid_from": told.chain.time + DAY,
        "valid_to": told.chain.time + 2 * DAY,
    }
    once = {**later, "match": "aurora-once", "valid_from": 0, "once": True}

    def agreed(terms: dict[str, Any]) -> Deed:
        proposed = sent("aurora-admin", "tier.propose_match", **terms)
        return many(iter([proposed, sent("borea-admin", "tier.accept_match", match=terms["match"])]))

    fewer = [{"name": "blue", "threshold": 50}]
    without_black = sent(
        "borea-marketer",
        "tier.define",
        brand="borea",
        metric="spend",
        levels=fewer,
        grace_days=90,
        notice_days=30,
    )
    told.call(
        "tier.match",
        "ann",
        "Ann, gold at Aurora, is black at Borea from now on.",
        "the holder",
        [
            *common,
            no("NOT_AUTHORISED", "The signers do not act for the member.", by="bob"),
            no("NOT_ELIGIBLE", "It is not in force yet.", agreed(later), match="aurora-later"),
            no("NOT_ELIGIBLE", "The two addresses are not linked.", from_=CAT),
            no("NOT_ELIGIBLE", "The member has no level that the match names.", by="bob", member=BOB),
            no(
                "NOT_ELIGIBLE",
                "It is good once, and was used.",
                agreed(once),
                sent("ann", "tier.match", match="aurora-once", member=ANN),
                match="aurora-once",
            ),
            no("NOT_FOUND", "The other ladder has the level no more.", without_black),
            no("LIMIT_EXCEEDED", "The member was given eight levels already.", *_given_eight()),
            no("LIMIT_EXCEEDED", "The member has a standing in 64 ladders.", _ann_in_64()),
            no("SUSPENDED", "A side is suspended.", suspended("aurora")),
            no("SUSPENDED", "The other brand leaves the alliance.", leaving("borea", "aurora")),
            no("SUSPENDED", "The brand whose level it is has left.", *left("aurora", "cielo")),
        ],
        **own,
        member=ANN,
    )


def _given_eight() -> tuple[Deed, ...]:
    """Return deeds: Ann was given as many levels at Borea as she may be."""
    shades = [{"name": "blue", "threshold": 50}, {"name": "black", "threshold": 90}]
    more = [{"name": f"l{number}", "threshold": 100 + number} for number in range(MAX_GRANTS)]
    terms = {"brand": "borea", "metric": "spend", "levels": [*shades, *more], "grace_days": 90}
    until = START + 700 * DAY
    return (
        sent("borea-marketer", "tier.define", **terms),
        many(
            sent("borea-issuer", "tier.grant", member=ANN, level=f"l{number}", until=until, reason="kind")
            for number in range(MAX_GRANTS)
        ),
    )


def _ann_in_64() -> Deed:
    full = tuple(sorted(("aurora", f"ladder-{number}") for number in range(MAX_LADDERS_OF_MEMBER)))
    return lambda chain: chain.govern(lambda ctx: LADDERS_OF_MEMBER.put(ctx, full, ANN))
