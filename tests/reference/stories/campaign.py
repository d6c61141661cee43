"""The story of campaign: a brand's rules, what a till records, and what comes back."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from contracts_py.campaign.deeds import VOUCHERS
from contracts_py.campaign.language import MAX_EVENT_UNITS
from contracts_py.campaign.records import LOADS, MAX_PER_EVENT, Load
from tests.contract_harness import START, Chain, Op, account_of, credit_ops, program_args
from tests.reference.stories import campaign_pools
from tests.reference.stories.campaign_challenges import challenged, reached
from tests.reference.story import Deed, Story, alliance_ops, leaving, left, no, sent, suspended, waited, wrote

DAY: Final = 86_400_000
ANN, BOB = account_of("ann"), account_of("bob")
BOTH: Final = "aurora-marketer+aurora-issuer"
PROGRAM: Final = {"transfer": "brand", "price": {"currency": "EUR", "num": 1, "den": 1}}
TERMS: Final[dict[str, Any]] = {
    "campaign": "aurora-points",
    "brand": "aurora",
    "event": "purchase",
    "when": "event.amount >= 100",
    "then": [
        {"issue": {"program": "stars", "amount": "event.amount / 100"}},
        {"tier_points": "event.amount / 100"},
    ],
    "starts": START,
    "ends": START + 100 * DAY,
    "budget": {"program": "stars", "amount": 1_000_000},
    "priority": 10,
}
WELCOME: Final[dict[str, Any]] = {
    **TERMS,
    "campaign": "aurora-welcome",
    "when": "member.profile.purchases == 0",
    "then": [
        {"voucher": {"kind": "coffee", "value": 1, "expires_days": 30}},
        {"set_profile": {"welcomed": "true"}},
    ],
    "per_member": {"count": 1},
    "priority": 5,
    "group": "presents",
    "budget": None,
}
LIMITED: Final[dict[str, Any]] = {
    **TERMS,
    "campaign": "aurora-limited",
    "budget": {"program": "stars", "amount": 1},
    "per_member": {"count": 1},
}
SHARED: Final[dict[str, Any]] = {**TERMS, "campaign": "aurora-shared", "starts": START + DAY, "priority": 1}
PURCHASE: Final[dict[str, Any]] = {
    "brand": "aurora",
    "event": "purchase",
    "member": ANN,
    "ref": "sale-1",
    "at": START + 1_000,
    "attrs": {"amount": 12_000, "channel": "web"},
}
RETURN: Final[dict[str, Any]] = {"brand": "aurora", "event": "purchase", "ref": "sale-1", "return_ref": "return-1"}
DEAR: Final = " || ".join(['event.lines.exists(l, l.sku in ["a", "b"] && l.amount > 5)'] * 10)

WRITER: Final = "a `marketer` of the brand, and an `issuer` where an effect issues points or vouchers"
MARKETER: Final = "a `marketer` of the brand"
ISSUER: Final = "an `issuer` of the brand"
NO_BRAND: Final = no("NOT_FOUND", "There is no such brand.", brand="moons")
NO_CAMPAIGN: Final = no("NOT_FOUND", "There is no such campaign.", campaign="moons")
NO_MARKETER: Final = no("NOT_AUTHORISED", "No marketer of the brand has signed.", by="borea-marketer")
NO_ISSUER: Final = no("NOT_AUTHORISED", "No issuer of the brand has signed.", by="aurora-cashier")
SUSPENDED: Final = no("SUSPENDED", "The brand is suspended.", suspended("aurora"))
LEAVING: Final = no("SUSPENDED", "The brand leaves the alliance.", leaving("aurora", "borea"))
TWO_PEOPLE: Final = no(
    "NOT_AUTHORISED",
    "The brand wants two people.",
    sent("aurora-admin", "campaign.set_approval", brand="aurora", required=True),
)
FULL: Final = no(
    "LIMIT_EXCEEDED",
    "The rules of the event's campaigns would cost too much at worst.",
    wrote(LOADS, Load(1, MAX_EVENT_UNITS), "aurora", "purchase"),
)
BACKWARDS: Final = {"kind": "coffee", "value": 1, "expires_days": 3, "starts_days": 3}


def _club(brand: str) -> dict[str, Any]:
    return {
        "collection": f"{brand}-club",
        "brand": brand,
        "name": "Club",
        "symbol": "CLUB",
        "soulbound": True,
        "traits": {"visits": {"type": "int", "default": 0}},
        "evolution": [{"on": {"event": "purchase"}, "when": "true", "set": {"visits": "token.traits.visits + 1"}}],
    }


def _elsewhere() -> tuple[Deed, ...]:
    return (sent("borea-marketer", "nft.create_collection", **_club("borea")),)


def _evolve(collection: str) -> list[dict[str, Any]]:
    return [{"evolve": {"collection": collection}}]


WRONG_TERMS: Final = (
    no("NOT_FOUND", "There is no such program.", budget={"program": "moons", "amount": 1}),
    no("NOT_AUTHORISED", "The program is another brand's.", budget={"program": "rays", "amount": 1}),
    no("INVALID_ARGS", "A rule is wrong; details tell line and column.", when="event.amount >"),
    no("INVALID_ARGS", "Points are issued without a budget.", budget=None),
    no("INVALID_ARGS", "An effect is none, or two.", then=[{}]),
    no("INVALID_ARGS", "A rule is longer than 4 KiB.", when="x" * 4_097),
    no("INVALID_ARGS", "A rule is longer than 4 KiB in UTF-8.", when="ü" * 4_000),
    no("INVALID_ARGS", "No value would be set.", then=[{"set_profile": {}}]),
    no("INVALID_ARGS", "A voucher would expire before it is good.", then=[{"voucher": BACKWARDS}]),
    no("NOT_AUTHORISED", "The collection is another brand's.", *_elsewhere(), then=_evolve("borea-club")),
    no("NOT_FOUND", "There is no such collection.", then=_evolve("moons")),
    no("INVALID_ARGS", "A counter of the chain's own would be set.", then=[{"set_profile": {"visits": 1}}]),
    no("INVALID_ARGS", "It would end before it begins.", ends=START),
    no("EXPIRED", "It would be over already.", starts=0, ends=1),
    no("LIMIT_EXCEEDED", "Its rules cost too much at worst.", when=DEAR),
)


def over(campaign: str) -> Deed:
    """Return a deed: a campaign ends at once."""
    return sent("aurora-marketer", "campaign.end", campaign=campaign)


def _ops() -> list[Op]:
    return [
        *alliance_ops("aurora", "borea"),
        ("token.create_program", program_args("stars", "aurora", **PROGRAM)),
        ("token.create_program", program_args("rays", "borea")),
        *credit_ops("aurora", "borea"),
    ]


def story() -> Story:
    """Tell it."""
    intro = (
        "The brands Aurora and Borea, each with one person for each role, and Aurora's program stars. Ann and Bob "
        "are shoppers. [campaign.md](../campaign.md) says in which order rules are considered and what they see, "
        "[campaign-templates.md](../campaign-templates.md) has rules to begin from."
    )
    told = Story("campaign", intro, _ops())
    levels = [
        {"name": "guest", "threshold": 0, "benefits": []},
        {"name": "friend", "threshold": 100, "benefits": []},
    ]
    told.does(
        "aurora-marketer",
        "tier.define",
        brand="aurora",
        metric="points",
        levels=levels,
        window_days=30,
        grace_days=0,
    )
    _badge(told)
    _created(told)
    _arranged(told)
    challenged(told)
    _recorded(told)
    reached(told)
    _vouchers(told)
    _returned(told)
    _two_people(told)
    _ended(told)
    told.joined(campaign_pools.story())
    return told


def _badge(told: Story) -> None:
    """Give Ann a badge that changes with each purchase, so that a record tells of it."""
    told.does("aurora-marketer", "nft.create_collection", **_club("aurora"))
    told.does("aurora-issuer", "nft.mint", collection="aurora-club", token=1, to=ANN)


def _created(told: Story) -> None:
    told.call(
        "campaign.create",
        BOTH,
        "Aurora gives a point, and a tier point, for 100 minor units.",
        WRITER,
        [
            NO_BRAND,
            no("NOT_AUTHORISED", "No marketer of the brand has signed.", by="aurora-issuer"),
            no("NOT_AUTHORISED", "An effect issues, and no issuer has signed.", by="aurora-marketer"),
            no("NOT_AUTHORISED", "The name is reserved for another brand.", campaign="borea-points"),
            TWO_PEOPLE,
            no("ALREADY_EXISTS", "The campaign exists.", sent(BOTH, "campaign.create", **TERMS)),
            SUSPENDED,
            LEAVING,
            *WRONG_TERMS,
            FULL,
            no(
                "LIMIT_EXCEEDED",
                "The event has too many campaigns.",
                wrote(LOADS, Load(MAX_PER_EVENT, 0), "aurora", "purchase"),
            ),
        ],
        **TERMS,
    )
    told.does(BOTH, "campaign.create", **{k: v for k, v in WELCOME.items() if v is not None})
    told.does(BOTH, "campaign.create", **SHARED)
    told.call(
        "campaign.update",
        BOTH,
        "More points: a later end, at once.",
        WRITER,
        [
            NO_CAMPAIGN,
            no("NOT_AUTHORISED", "No marketer of the brand has signed.", by="aurora-issuer"),
            no("NOT_AUTHORISED", "An effect issues, and no issuer has signed.", by="aurora-marketer"),
            TWO_PEOPLE,
            no("EXPIRED", "The campaign is over.", over("aurora-points")),
            no("EXPIRED", "It would be over already.", ends=START + 1),
            no("INVALID_ARGS", "The budget is of another program.", budget={"program": "rays", "amount": 1}),
            no("INVALID_ARGS", "A rule is wrong.", when="1 +"),
            no("NOT_AUTHORISED", "The program is another brand's.", then=_issue("rays")),
            no("NOT_FOUND", "There is no such program.", then=_issue("moons")),
            no("LIMIT_EXCEEDED", "Its rules cost too much at worst.", when=DEAR),
            no(
                "LIMIT_EXCEEDED",
                "The rules of the event's campaigns would cost too much at worst.",
                wrote(LOADS, Load(1, MAX_EVENT_UNITS), "aurora", "purchase"),
                when="1 == 1 && event.amount > 1",
            ),
            SUSPENDED,
        ],
        campaign="aurora-points",
        ends=START + 200 * DAY,
    )
    told.view("campaign_campaign", "The campaign now.", [NO_CAMPAIGN], campaign="aurora-points")
    told.view("campaign_campaigns", "All of Aurora's.", [NO_BRAND], brand="aurora", limit=1)


def _issue(program: str) -> list[dict[str, Any]]:
    return [{"issue": {"program": program, "amount": 1}}]


def _arranged(told: Story) -> None:
    told.call(
        "campaign.stack",
        "aurora-marketer",
        "Of presents and extras, one fires for a purchase: the one that is worth most to the member.",
        MARKETER,
        [
            NO_BRAND,
            NO_MARKETER,
            SUSPENDED,
            no("INVALID_ARGS", "A group stands twice.", groups=["extras", "extras"]),
        ],
        brand="aurora",
        groups=["presents", "extras"],
        max_per_event=1,
        order="best",
    )
    told.view(
        "campaign_stack", "As it is stored.", [no("NOT_FOUND", "There is none.", brand="borea")], brand="aurora"
    )
    begun = no("NOT_ELIGIBLE", "The campaign has begun.", campaign="aurora-points")
    variant = {
        "name": "double",
        "bps": 4_000,
        "then": [{"issue": {"program": "stars", "amount": "event.amount / 50"}}],
    }
    told.call(
        "campaign.experiment",
        BOTH,
        "One in ten members is in the control group, four in ten get double points.",
        WRITER,
        [
            NO_CAMPAIGN,
            begun,
            no("NOT_AUTHORISED", "No marketer of the brand has signed.", by="aurora-issuer"),
            no("NOT_AUTHORISED", "A variant issues, and no issuer has signed.", by="aurora-marketer"),
            no("NOT_AUTHORISED", "The program is another brand's.", variants=[{**variant, "then": _issue("rays")}]),
            no("NOT_FOUND", "There is no such program.", variants=[{**variant, "then": _issue("moons")}]),
            no("INVALID_ARGS", "The arms are wider than all members.", holdout_bps=9_000),
            no("INVALID_ARGS", "A variant has a name that is taken.", variants=[{**variant, "name": "holdout"}]),
            no(
                "LIMIT_EXCEEDED",
                "A variant's rules cost too much at worst.",
                variants=[{**variant, "then": [{"set_profile": {"x": DEAR}}]}],
            ),
            SUSPENDED,
        ],
        campaign="aurora-shared",
        variants=[variant],
        holdout_bps=1_000,
    )
    told.call(
        "campaign.fund",
        "aurora-marketer+borea-treasurer",
        "Borea pays three tenths of what the campaign issues.",
        "a `marketer` of the brand, and a `treasurer` of each brand that pays",
        [
            NO_CAMPAIGN,
            no("NOT_FOUND", "There is no such brand.", shares=[{"brand": "moons", "bps": 1}]),
            begun,
            no("NOT_ELIGIBLE", "The campaign issues no points.", _silent(), campaign="aurora-silent"),
            no("NOT_AUTHORISED", "The brand that pays has not agreed.", by="aurora-marketer"),
            no("INVALID_ARGS", "The brand would pay itself.", shares=[{"brand": "aurora", "bps": 1}]),
            no(
                "INVALID_ARGS",
                "More would be paid than is issued.",
                shares=[{"brand": "borea", "bps": 9_000}, {"brand": "cielo", "bps": 9_000}],
            ),
            SUSPENDED,
            no("SUSPENDED", "The brand that pays is suspended.", suspended("borea")),
        ],
        campaign="aurora-shared",
        shares=[{"brand": "borea", "bps": 3_000}],
    )


def _silent() -> Deed:
    terms = {**TERMS, "campaign": "aurora-silent", "starts": START + DAY, "then": [{"set_profile": {"x": 1}}]}
    del terms["budget"]
    return sent("aurora-marketer", "campaign.create", **terms)


def _recorded(told: Story) -> None:
    told.then("A day passes.", waited(DAY))
    told.view(
        "campaign_preview",
        "What a purchase of Ann's would do; the answer is what `campaign.record` then does.",
        [
            NO_BRAND,
            SUSPENDED,
            no("INVALID_ARGS", "An attribute is no integer of the protocol.", attrs={"amount": 2**53}),
            no("EXPIRED", "It happened too long ago.", at=0),
            no("INVALID_ARGS", "An attribute is no value of JSON.", attrs={"amount": 1.5}),
            no("LIMIT_EXCEEDED", "There are too many attributes.", attrs=_many()),
        ],
        **{name: value for name, value in PURCHASE.items() if name not in ("ref", "at")},
    )
    told.call(
        "campaign.record",
        "aurora-issuer",
        "Ann buys; both of Aurora's rules fire, a shared one is paid by Borea too, and her badge changes.",
        ISSUER,
        [
            NO_ISSUER,
            SUSPENDED,
            LEAVING,
            no("DUPLICATE_REF", "The order was recorded.", sent("aurora-issuer", "campaign.record", **PURCHASE)),
            no("INVALID_ARGS", "It is to come.", at=START + 9 * DAY),
            no("INVALID_ARGS", "An attribute is no integer of the protocol.", attrs={"amount": 2**53}),
            no("INVALID_ARGS", "They are no object.", attrs=[]),
            no("INVALID_ARGS", "They are nested too deep.", attrs={"a": {"b": {"c": {"d": {"e": {}}}}}}),
            no("INVALID_ARGS", "A list has more than 256 items.", attrs={"a": [0] * 257}),
            no("EXPIRED", "It happened before `max_backdate_ms`.", at=0),
            no("LIMIT_EXCEEDED", "They are longer than 8 KiB.", attrs={f"a{n}": "x" * 1_000 for n in range(9)}),
            no("LIMIT_EXCEEDED", "There are too many attributes.", attrs=_many()),
        ],
        **{**PURCHASE, "at": START + DAY + 1_000},
    )
    told.view(
        "campaign_record",
        "What was recorded.",
        [NO_BRAND, no("NOT_FOUND", "Nothing is recorded under this reference.", ref="sale-2")],
        brand="aurora",
        event="purchase",
        ref="sale-1",
    )
    told.view("campaign_profile", "What Ann has done at Aurora.", [NO_BRAND], brand="aurora", member=ANN)
    told.view(
        "campaign_uplift",
        "What the arms of the experiment came to.",
        [NO_CAMPAIGN, no("NOT_FOUND", "The campaign has no experiment.", campaign="aurora-points")],
        campaign="aurora-shared",
    )
    told.view(
        "campaign_replay",
        "What half the points would have been.",
        [
            NO_CAMPAIGN,
            no("INVALID_ARGS", "`to` is not after `from`.", to=START),
            no("INVALID_ARGS", "A rule is no Unicode.", when="\ud800"),
            no("INVALID_ARGS", "The cursor is none that this view has given.", cursor="19676.0.moons"),
            no("NOT_AUTHORISED", "The program is another brand's.", then=_issue("rays")),
            no("NOT_FOUND", "There is no such program.", then=_issue("moons")),
            no("LIMIT_EXCEEDED", "Its rules cost too much at worst.", when=DEAR),
        ],
        campaign="aurora-points",
        from_=START,
        to=START + 2 * DAY,
        then=[{"issue": {"program": "stars", "amount": "event.amount / 200"}}],
    )


def _many() -> dict[str, Any]:
    return {f"a{number}": [0] * 250 for number in range(5)}


def _vouchers(told: Story) -> None:
    page = told.view("campaign_vouchers", "Ann's vouchers.", [], member=ANN)
    voucher = page["items"][0]["voucher"]
    none = no("NOT_FOUND", "There is no such voucher.", voucher="0" * 32)
    told.view("campaign_voucher", "The one that she has.", [none], voucher=voucher)
    told.call(
        "campaign.redeem_voucher",
        "aurora-cashier",
        "Ann gets her coffee.",
        "a `cashier` of the brand",
        [
            none,
            no("NOT_AUTHORISED", "No cashier of the brand has signed.", by="aurora-issuer"),
            no(
                "ALREADY_EXISTS",
                "The voucher was used.",
                sent("aurora-cashier", "campaign.redeem_voucher", voucher=voucher, ref="till-0"),
            ),
            no("DUPLICATE_REF", "The reference has redeemed another one.", *_another("till-9"), ref="till-9"),
            no("NOT_ELIGIBLE", "It is not good yet.", starting(voucher, START + 9 * DAY)),
            no("EXPIRED", "It has expired.", ending(voucher, START + 1)),
            no("SUSPENDED", "The brand is suspended.", suspended("aurora")),
            no("SUSPENDED", "The brand has left the alliance.", *left("aurora", "borea")),
        ],
        voucher=voucher,
        ref="till-1",
    )


def _another(ref: str) -> tuple[Deed, ...]:
    """Return deeds: Bob has got a voucher, too, and used it."""
    purchase = {**PURCHASE, "member": BOB, "ref": "sale-b", "at": START + DAY + 1_000}

    def redeem(chain: Chain) -> None:
        (voucher,) = chain.view("campaign_vouchers", member=BOB)["items"]
        chain.send("aurora-cashier", "campaign.redeem_voucher", voucher=voucher["voucher"], ref=ref)

    return sent("aurora-issuer", "campaign.record", **purchase), redeem


def starting(voucher: str, starts: int) -> Deed:
    """Return a deed: a voucher is good from a time on."""
    return lambda chain: chain.govern(
        lambda ctx: VOUCHERS.put(ctx, replace(VOUCHERS.require(ctx, voucher), starts=starts), voucher)
    )


def ending(voucher: str, expires: int) -> Deed:
    """Return a deed: a voucher was good until a time, and the agenda has not come to it."""
    return lambda chain: chain.govern(
        lambda ctx: VOUCHERS.put(ctx, replace(VOUCHERS.require(ctx, voucher), expires=expires), voucher)
    )


def _returned(told: Story) -> None:
    told.call(
        "campaign.reverse",
        "aurora-issuer",
        "Ann keeps a third of what she bought: all is undone, and the rules run again for the rest.",
        ISSUER,
        [
            no("NOT_FOUND", "Nothing is recorded under this reference.", ref="sale-2"),
            NO_ISSUER,
            no(
                "DUPLICATE_REF",
                "The return was noted.",
                sent("aurora-issuer", "campaign.reverse", **RETURN, keep={"amount": 1}),
            ),
            no(
                "NOT_ELIGIBLE",
                "All of it has come back.",
                sent("aurora-issuer", "campaign.reverse", **{**RETURN, "return_ref": "return-0"}),
            ),
            no("INVALID_ARGS", "An attribute is no integer of the protocol.", keep={"amount": 2**53}),
            no("LIMIT_EXCEEDED", "There are too many attributes.", keep=_many()),
            no(
                "SUSPENDED",
                "The brand is suspended, and would give something for what is kept.",
                suspended("aurora"),
            ),
        ],
        **RETURN,
        keep={"amount": 4_000},
    )
    told.does("aurora-issuer", "campaign.record", **{**PURCHASE, "member": BOB, "ref": "sale-3", "at": START + DAY})
    part = {**RETURN, "ref": "sale-3", "return_ref": "return-2", "keep": {"amount": 500}}
    told.does("aurora-issuer", "campaign.reverse", **part)
    told.does("aurora-issuer", "campaign.reverse", **{**RETURN, "ref": "sale-3", "return_ref": "return-3"})
    told.does(BOTH, "campaign.create", **LIMITED)
    for ref, member in (("sale-4", ANN), ("sale-5", ANN), ("sale-6", BOB)):
        small = {**PURCHASE, "ref": ref, "member": member, "at": START + DAY, "attrs": {"amount": 100}}
        told.does("aurora-issuer", "campaign.record", **small)


def _proposed_by_borea() -> Deed:
    terms = {**TERMS, "campaign": "shared-visits", "brand": "borea", "then": [{"set_profile": {"x": 1}}]}
    del terms["budget"]
    return sent("borea-marketer", "campaign.propose", **terms)


def _two_people(told: Story) -> None:
    told.call(
        "campaign.set_approval",
        "aurora-admin",
        "From now on Aurora's campaigns are made by two people.",
        "an `admin` of the brand",
        [no("NOT_AUTHORISED", "No admin of the brand has signed.", by="aurora-marketer")],
        brand="aurora",
        required=True,
    )
    proposal = {**TERMS, "campaign": "aurora-visits", "event": "visit", "then": _issue("stars")}
    told.call(
        "campaign.propose",
        "aurora-marketer",
        "A marketer proposes a campaign.",
        MARKETER,
        [
            NO_BRAND,
            NO_MARKETER,
            SUSPENDED,
            no("NOT_AUTHORISED", "The name is reserved for another brand.", campaign="borea-visits"),
            no("ALREADY_EXISTS", "It is a campaign of another event.", campaign="aurora-points"),
            no(
                "ALREADY_EXISTS",
                "Another brand has proposed one of this name.",
                _proposed_by_borea(),
                campaign="shared-visits",
            ),
            *WRONG_TERMS,
        ],
        **proposal,
    )
    told.does("aurora-admin", "identity.grant_role", brand="aurora", role="marketer", account=account_of("zoe"))
    changed = sent("aurora-admin", "campaign.set_approval", brand="aurora", required=False)
    told.call(
        "campaign.approve",
        "zoe+aurora-issuer",
        "Zoe, a marketer too, puts it into force.",
        "a marketer other than the proposer, and an `issuer` where an effect issues points or vouchers",
        [
            no("NOT_FOUND", "Nothing is proposed.", campaign="moons"),
            no("NOT_AUTHORISED", "It is the proposer's own word.", by=BOTH),
            no("NOT_AUTHORISED", "An effect issues, and no issuer has signed.", by="zoe"),
            no(
                "CHANGED",
                "The campaign has another version by now.",
                changed,
                sent(BOTH, "campaign.create", **proposal),
            ),
            no("EXPIRED", "It would be over already.", waited(300 * DAY)),
            no(
                "LIMIT_EXCEEDED",
                "The rules of the event's campaigns would cost too much at worst.",
                wrote(LOADS, Load(1, MAX_EVENT_UNITS), "aurora", "visit"),
            ),
            SUSPENDED,
        ],
        campaign="aurora-visits",
    )
    told.does("aurora-marketer", "campaign.propose", **{**proposal, "priority": 3})
    told.does("zoe+aurora-issuer", "campaign.approve", campaign="aurora-visits")


def _ended(told: Story) -> None:
    gone = no("EXPIRED", "The campaign is over.", over("aurora-points"))
    told.call(
        "campaign.pause",
        "aurora-marketer",
        "A rule is wrong: it does nothing from this block on.",
        MARKETER,
        [
            NO_CAMPAIGN,
            NO_MARKETER,
            gone,
            no(
                "NOT_ELIGIBLE", "It is paused.", sent("aurora-marketer", "campaign.pause", campaign="aurora-points")
            ),
        ],
        campaign="aurora-points",
    )
    told.call(
        "campaign.resume",
        "aurora-marketer",
        "It goes on.",
        MARKETER,
        [
            NO_CAMPAIGN,
            NO_MARKETER,
            gone,
            SUSPENDED,
            no(
                "NOT_ELIGIBLE",
                "It is active.",
                sent("aurora-marketer", "campaign.resume", campaign="aurora-points"),
            ),
        ],
        campaign="aurora-points",
    )
    told.call(
        "campaign.end",
        "aurora-marketer",
        "The campaign ends; the program asks for no notice, so it does so at once.",
        MARKETER,
        [NO_CAMPAIGN, NO_MARKETER, gone],
        campaign="aurora-points",
    )
