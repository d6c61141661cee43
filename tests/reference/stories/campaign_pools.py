"""Lists, codes, claims, draws and schedules in campaign's story; aurora, borea, cielo and delta have validators."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from contracts_py.calendar import days_from_civil
from contracts_py.campaign.claim_records import CLAIM_ENDS, CLAIMS_WAITING, MAX_CLAIMS
from contracts_py.campaign.code_records import CODE_POOLS, COMMIT_BLOCKS
from contracts_py.campaign.codes import commitment_of as code_commitment
from contracts_py.campaign.draw_records import DRAWS, MAX_OPEN_MS, Witness
from contracts_py.campaign.draw_seed import commitment_of as draw_commitment
from contracts_py.campaign.list_records import (
    DEFINITIONS,
    ITEMS,
    LISTS_OF,
    MAX_DEFINITIONS,
    MAX_LIST_SIZE,
    MAX_LISTS,
    MAX_TURNS,
    Definition,
    Turn,
)
from contracts_py.campaign.paths import code_leaf, levels, path_of
from contracts_py.campaign.schedule_records import TIMINGS, Timing
from contracts_py.campaign.schedules import birthday_commitment
from tests.contract_harness import CHAIN, START, Chain, account_of, key_of, program_args
from tests.reference.story import (
    Deed,
    Refusal,
    Story,
    alliance_ops,
    leaving,
    many,
    no,
    sent,
    suspended,
    waited,
    wrote,
)
from vm.chain_records import ValidatorEntry
from vm.contract_api import MS_PER_DAY, Context
from vm.primitives.address import address_of_member
from vm.primitives.hashing import sha256

BRANDS: Final = ("aurora", "borea", "cielo", "delta")
ANN, BOB = account_of("ann"), account_of("bob")
REF: Final = "ce" * 32
MEMBER: Final = address_of_member("aurora", bytes.fromhex(REF))
ROOT_OF_ITEMS: Final = "0f" * 32
ENDS: Final = START + 900 * MS_PER_DAY
CLOSES: Final = START + 30 * MS_PER_DAY
MARKETER: Final = "a `marketer` of the brand"
BOTH: Final = "aurora-marketer+aurora-issuer"

CODES: Final = ("SUMMER-1", "SUMMER-2", "SUMMER-3")
SALTS: Final = [sha256(code.encode()).hex() for code in CODES]
TREE: Final = levels([code_leaf(code, bytes.fromhex(salt)) for code, salt in zip(CODES, SALTS, strict=True)])
ROOT: Final = TREE[-1][0].hex()
BORN: Final[dict[str, Any]] = {"month": 11, "day": 20, "salt": "5a" * 32}
RECEIPT: Final = "7e" * 32

SUSPENDED: Final = no("SUSPENDED", "The brand is suspended.", suspended("aurora"))
LEAVING: Final = no("SUSPENDED", "The brand leaves the alliance.", leaving("aurora", "borea"))
NOT_ACTIVE: Final = (SUSPENDED, LEAVING)
NO_MARKETER: Final = no("NOT_AUTHORISED", "No marketer of the brand has signed.", by="borea-marketer")
NO_BRAND: Final = no("NOT_FOUND", "There is no such brand.", brand="moons")
NO_LIST: Final = no("NOT_FOUND", "There is no such list.", name="moons")
NO_CAMPAIGN: Final = no("NOT_FOUND", "There is no such campaign.", campaign="moons")


def story() -> Story:
    """Tell it, on a chain of its own."""
    intro = (
        "the brands Aurora, Borea, Cielo and Delta, each with a validator and one person for each role. "
        "[campaign-pools.md](../campaign-pools.md) says how lists, codes, claims, draws and schedules work."
    )
    ops = [*alliance_ops(*BRANDS), ("token.create_program", program_args("stars", "aurora"))]
    ops.append(("token.create_program", program_args("leaves", "borea")))
    told = Story("campaign", intro, ops, validators=[ValidatorEntry(key_of(brand), brand) for brand in BRANDS])
    told.names.update({MEMBER: "Aurora's member"})
    _campaigns(told)
    _lists(told)
    _codes(told)
    _claims(told)
    _draws(told)
    _schedules(told)
    return told


def _campaigns(told: Story) -> None:
    for campaign, event in (
        ("summer-codes", "code"),
        ("summer-buys", "purchase"),
        ("summer-thanks", "purchase"),
        ("summer-prize", "draw-won"),
        ("back", "idle"),
        ("cake", "birthday"),
    ):
        then: list[dict[str, Any]] = [{"issue": {"program": "stars", "amount": 100}}]
        if campaign == "summer-buys":
            then = [{"entry": {"draw": "aurora-summer", "count": 1}}]
        told.does(
            BOTH,
            "campaign.create",
            campaign=campaign,
            brand="aurora",
            event=event,
            when="true",
            then=then,
            starts=START,
            ends=ENDS,
            budget={"program": "stars", "amount": 10_000},
        )
    told.does("aurora-issuer", "identity.enroll", brand="aurora", ref=REF)


def _lists(told: Story) -> None:
    dairy: dict[str, Any] = {"name": "dairy", "brand": "aurora"}
    rates: dict[str, Any] = {"name": "rates", "brand": "aurora"}
    exists = sent("aurora-marketer", "campaign.collection", **dairy, items=["milk"])
    told.call(
        "campaign.collection",
        "aurora-marketer",
        'Aurora lists its dairy goods, which rules ask for by `in_collection("dairy", event.sku)`.',
        MARKETER,
        [
            NO_BRAND,
            NO_MARKETER,
            *NOT_ACTIVE,
            no("INVALID_ARGS", "Both the items and a root, or neither.", root=ROOT_OF_ITEMS),
            no("INVALID_ARGS", "A root as a draft.", items=None, root=ROOT_OF_ITEMS, draft=True),
            no(
                "ALREADY_EXISTS",
                "The name is a value map's.",
                sent("aurora-marketer", "campaign.value_map", **dairy, entries={}),
            ),
            no("LIMIT_EXCEEDED", "The brand has too many lists.", _many_lists),
            no("LIMIT_EXCEEDED", "The list was defined too often.", exists, _many_definitions),
        ],
        **dairy,
        items=["milk", "butter"],
    )
    told.call(
        "campaign.value_map",
        "aurora-marketer",
        'A value map says how often the points of a category count: `lookup("rates", event.category, 1)`.',
        MARKETER,
        [
            NO_BRAND,
            NO_MARKETER,
            *NOT_ACTIVE,
            no("ALREADY_EXISTS", "The name is a collection's.", name="dairy"),
            no("LIMIT_EXCEEDED", "The brand has too many lists.", _many_lists),
            no(
                "LIMIT_EXCEEDED",
                "The list was defined too often.",
                sent("aurora-marketer", "campaign.value_map", **rates, entries={}),
                _often("rates"),
            ),
        ],
        **rates,
        entries={"fresh": 2, "wine": 0},
    )
    _list_changes(told, dairy, rates)
    told.does("aurora-marketer", "campaign.collection", **dairy, items=["yoghurt"], draft=True)
    for call, says in (("list_discard", "Aurora gives the draft up."), ("list_publish", "Or it lets it count.")):
        refusals = [
            NO_BRAND,
            NO_MARKETER,
            NO_LIST,
            *NOT_ACTIVE,
            no("NOT_FOUND", "The list has no draft.", name="rates"),
        ]
        if call == "list_publish":
            refusals.append(no("LIMIT_EXCEEDED", "The list was defined too often.", _many_definitions))
            told.does("aurora-marketer", "campaign.collection", **dairy, items=["milk", "yoghurt"], draft=True)
        told.call(f"campaign.{call}", "aurora-marketer", says, MARKETER, refusals, **dairy)
    told.view(
        "campaign_collection",
        "A collection.",
        [NO_LIST, no("NOT_FOUND", "The list is a value map.", name="rates")],
        **dairy,
    )
    told.view(
        "campaign_value_map",
        "A value map.",
        [NO_LIST, no("NOT_FOUND", "The list is a collection.", name="dairy")],
        **rates,
    )
    told.view("campaign_lists", "All lists of a brand.", [], brand="aurora")
    told.view(
        "campaign_list_items",
        "What is in one.",
        [NO_LIST, no("NOT_FOUND", "There is no draft.", draft=True)],
        **rates,
    )
    told.view(
        "campaign_list_value",
        "What rules see of an item at an earlier version.",
        [NO_LIST],
        **dairy,
        item="butter",
        version=1,
    )


def _list_changes(told: Story, dairy: dict[str, Any], rates: dict[str, Any]) -> None:
    rooted = sent("aurora-marketer", "campaign.collection", **dairy, root=ROOT_OF_ITEMS)
    changes: list[tuple[str, str, dict[str, Any], dict[str, Any], list[Refusal]]] = [
        (
            "collection_add",
            "Cheese comes in.",
            dairy,
            {"items": ["cheese"]},
            [
                no("NOT_ELIGIBLE", "The list is a value map.", name="rates"),
                no("NOT_ELIGIBLE", "Of the collection only the root is here.", rooted),
                no("LIMIT_EXCEEDED", "The list would be too long.", _sized("dairy")),
                no("LIMIT_EXCEEDED", "An item has turned too often.", _turned("dairy", "cheese", None)),
            ],
        ),
        (
            "collection_remove",
            "Butter goes.",
            dairy,
            {"items": ["butter"]},
            [
                no("NOT_ELIGIBLE", "The list is a value map.", name="rates"),
                no("NOT_ELIGIBLE", "Of the collection only the root is here.", rooted),
                no("LIMIT_EXCEEDED", "An item has turned too often.", _turned("dairy", "butter", True)),
            ],
        ),
        (
            "value_map_set",
            "Wine gets a rate.",
            rates,
            {"entries": {"wine": 1, "toys": 3}},
            [
                no("NOT_ELIGIBLE", "The list is a collection.", name="dairy"),
                no("LIMIT_EXCEEDED", "The list would be too long.", _sized("rates")),
                no("LIMIT_EXCEEDED", "An entry has turned too often.", _turned("rates", "wine", 0)),
            ],
        ),
        (
            "value_map_remove",
            "Toys have none any more.",
            rates,
            {"keys": ["toys"]},
            [
                no("NOT_ELIGIBLE", "The list is a collection.", name="dairy"),
                no("LIMIT_EXCEEDED", "An entry has turned too often.", _turned("rates", "toys", 3)),
            ],
        ),
    ]
    for call, says, which, args, refusals in changes:
        told.call(
            f"campaign.{call}",
            "aurora-marketer",
            says,
            MARKETER,
            [NO_BRAND, NO_MARKETER, NO_LIST, *NOT_ACTIVE, *refusals],
            **which,
            **args,
        )


def _many_lists(chain: Chain) -> None:
    def fill(ctx: Context) -> None:
        for number in range(MAX_LISTS):
            LISTS_OF.add(ctx, "aurora", item=f"list-{number:04}")

    chain.govern(fill)


def _often(name: str) -> Deed:
    def fill(ctx: Context) -> None:
        for number in range(MAX_DEFINITIONS):
            DEFINITIONS.append(ctx, Definition(1, number, 0), "aurora", name)

    return lambda chain: chain.govern(fill)


_many_definitions: Final = _often("dairy")


def _sized(name: str) -> Deed:
    def grow(ctx: Context) -> None:
        last = DEFINITIONS.at(ctx, "aurora", name, place=DEFINITIONS.length(ctx, "aurora", name) - 1)
        DEFINITIONS.replace_last(ctx, replace(last, size=MAX_LIST_SIZE), "aurora", name)

    return lambda chain: chain.govern(grow)


def _turned(name: str, item: str, value: bool | int | None) -> Deed:
    turns = tuple([Turn(0, value)] * MAX_TURNS)
    return lambda chain: chain.govern(lambda ctx: ITEMS.put(ctx, turns, "aurora", name, 0, item=item))


def _codes(told: Story) -> None:
    first: dict[str, Any] = {"code": CODES[0], "salt": SALTS[0], "path": path_of(TREE, 0), "member": ANN}
    second = {"leaf": TREE[0][1].hex(), "path": path_of(TREE, 1), "member": ANN}
    expired = waited(31 * MS_PER_DAY)
    spent = _pool_of(redeemed=3)
    told.call(
        "campaign.codes",
        "aurora-marketer",
        "`entente codes new` has made three codes; the chain gets the root over them.",
        MARKETER,
        [
            NO_CAMPAIGN,
            NO_MARKETER,
            *NOT_ACTIVE,
            no("NOT_ELIGIBLE", "The campaign's event is not code, nor code-….", campaign="summer-buys"),
            no("EXPIRED", "The codes would have expired already.", expires=START),
            no("ALREADY_EXISTS", "The pool exists.", sent("aurora-marketer", "campaign.codes", **_pool())),
        ],
        **_pool(),
    )
    told.call(
        "campaign.reserve_code",
        "aurora-issuer",
        "The second code was mailed to Ann: no one else can redeem it.",
        "an `issuer` of the pool's brand",
        [
            no("NOT_AUTHORISED", "No issuer of the pool's brand has signed.", by="borea-issuer"),
            no("NOT_FOUND", "The path leads to no pool.", path=[]),
            no("EXPIRED", "The codes have expired.", expired),
            no("DUPLICATE_REF", "The code was redeemed.", _redeemed(1)),
            no("LIMIT_EXCEEDED", "As many codes as the pool has were redeemed.", spent),
        ],
        **second,
    )
    told.call(
        "campaign.commit_code",
        "bob",
        "Bob will redeem the third code himself, and commits to it without saying which.",
        "the holder",
        [no("NOT_AUTHORISED", "The signers do not act for the member.", by="ann")],
        member=BOB,
        commitment=code_commitment(BOB, CODES[2], bytes.fromhex(SALTS[2])),
    )
    third: dict[str, Any] = {"code": CODES[2], "salt": SALTS[2], "path": path_of(TREE, 2), "member": None}
    told.call(
        "campaign.redeem_code",
        "aurora-cashier",
        "A till redeems the first code for Ann.",
        "a `cashier` or `issuer` of the pool's brand; or the holder, to whom it is reserved or who has committed",
        [
            no("NOT_FOUND", "No pool has such a code.", code="SUMMER-9"),
            no("NOT_AUTHORISED", "The signers do not act for the member.", by="borea-cashier"),
            no("NOT_ELIGIBLE", "The holder has not committed to the code.", by="ann", member=None),
            no("NOT_DUE", "The commitment is too young.", by="bob", **third),
            no("NOT_ELIGIBLE", "The code is reserved to another member.", _reserved(0, BOB)),
            no("NOT_ELIGIBLE", "The campaign gives nothing: it is paused.", _paused("summer-codes")),
            no("EXPIRED", "The codes have expired.", expired),
            no("EXPIRED", "The campaign has ended.", _pool_of(expires=ENDS + MS_PER_DAY), waited(ENDS - START)),
            no("DUPLICATE_REF", "The code was redeemed.", _redeemed(0)),
            no("DUPLICATE_REF", "Its ref was recorded.", _recorded("code", CODES[0])),
            no("LIMIT_EXCEEDED", "The shopper has redeemed his codes.", _pool_of(per_member=1), _redeemed(1)),
            no("LIMIT_EXCEEDED", "As many codes as the pool has were redeemed.", spent),
            no("LIMIT_EXCEEDED", "The campaign's own limit per member.", _once("summer-codes"), _redeemed(1)),
            no("BUDGET_EXHAUSTED", "The campaign's budget is used up.", _poor("summer-codes")),
            *NOT_ACTIVE,
        ],
        **first,
    )
    told.then("Ten blocks pass.", many(waited(200) for _ in range(COMMIT_BLOCKS)))
    told.does("bob", "campaign.redeem_code", **{name: value for name, value in third.items() if value is not None})
    no_pool = no("NOT_FOUND", "There is no such pool.", root="00" * 32)
    told.view("campaign_code_pool", "A pool.", [no_pool], root=ROOT)
    told.view("campaign_code_pools", "All pools of a campaign.", [], campaign="summer-codes")
    told.view("campaign_code", "What is known of a code, by its leaf.", [no_pool], root=ROOT, leaf=TREE[0][1].hex())


def _pool() -> dict[str, Any]:
    expires = START + 31 * MS_PER_DAY
    return {"campaign": "summer-codes", "root": ROOT, "count": len(CODES), "per_member": 2, "expires": expires}


def _pool_of(**changes: Any) -> Deed:
    def change(ctx: Context) -> None:
        CODE_POOLS.put(ctx, replace(CODE_POOLS.require(ctx, ROOT), **changes), ROOT)

    return lambda chain: chain.govern(change)


def _redeemed(n: int) -> Deed:
    args = {"code": CODES[n], "salt": SALTS[n], "path": path_of(TREE, n), "member": ANN}
    return sent("aurora-cashier", "campaign.redeem_code", **args)


def _reserved(n: int, member: str) -> Deed:
    args = {"leaf": TREE[0][n].hex(), "path": path_of(TREE, n), "member": member}
    return sent("aurora-issuer", "campaign.reserve_code", **args)


def _paused(campaign: str) -> Deed:
    return sent("aurora-marketer", "campaign.pause", campaign=campaign)


def _poor(campaign: str) -> Deed:
    return sent(BOTH, "campaign.update", campaign=campaign, budget={"program": "stars", "amount": 1})


def _once(campaign: str) -> Deed:
    return sent(BOTH, "campaign.update", campaign=campaign, per_member={"count": 1})


def _recorded(event: str, ref: str) -> Deed:
    def record(chain: Chain) -> None:
        args: dict[str, Any] = {"brand": "aurora", "event": event, "member": MEMBER, "ref": ref, "at": chain.time}
        chain.send("aurora-issuer", "campaign.record", attrs={}, **args)

    return record


def _claims(told: Story) -> None:
    claim: dict[str, Any] = {"brand": "aurora", "commitment": RECEIPT, "at": START + 1, "member": MEMBER}
    named: dict[str, Any] = {"brand": "aurora", "commitment": RECEIPT}
    long_ago = waited(31 * MS_PER_DAY)
    told.call(
        "campaign.claim_purchase",
        "aurora-cashier",
        "A member says that its purchase was not recorded; what it was, only the commitment says.",
        "the holder: of a custodial member a `cashier` or `issuer` of its brand",
        [
            NO_BRAND,
            no("NOT_AUTHORISED", "The signers do not act for the member.", by="ann"),
            no("NOT_ELIGIBLE", "The account is no member of the brand.", by="ann", member=ANN),
            no("INVALID_ARGS", "It is to come.", at=START + 900 * MS_PER_DAY),
            no("EXPIRED", "It is longer ago than `max_backdate_ms`.", long_ago),
            no(
                "ALREADY_EXISTS",
                "The purchase was claimed before.",
                sent("aurora-cashier", "campaign.claim_purchase", **claim),
            ),
            no("LIMIT_EXCEEDED", "Too many claims wait.", wrote(CLAIMS_WAITING, MAX_CLAIMS, MEMBER)),
            *NOT_ACTIVE,
        ],
        **claim,
    )
    told.view("campaign_claims", "What waits for a brand's decision.", [NO_BRAND], brand="aurora")
    told.call(
        "campaign.decide_claim",
        "aurora-issuer",
        "Aurora finds the receipt, and the purchase is recorded at its time.",
        "an `issuer` of the brand",
        [
            no("NOT_AUTHORISED", "No issuer of the brand has signed.", by="borea-issuer"),
            no("NOT_FOUND", "No such claim waits.", commitment="00" * 32),
            no("INVALID_ARGS", "It is accepted without a ref, or refused with one.", ref=None),
            no("INVALID_ARGS", "An attribute is not as it may be.", attrs={"amount": 2**60}),
            no("LIMIT_EXCEEDED", "The attributes are too long.", attrs={f"a{n}": "x" * 1_000 for n in range(9)}),
            no("DUPLICATE_REF", "The ref was recorded.", _recorded("purchase", "order-77")),
            no("EXPIRED", "The claim has lapsed, though the agenda has not come to it.", _late_agenda),
            *NOT_ACTIVE,
        ],
        **named,
        accepted=True,
        ref="order-77",
        attrs={"amount": 4_500},
    )
    told.view(
        "campaign_claim",
        "What became of it.",
        [no("NOT_FOUND", "There is no such claim.", commitment="00" * 32)],
        **named,
    )


def _late_agenda(chain: Chain) -> None:
    chain.until(START + 31 * MS_PER_DAY, postponing=CLAIM_ENDS)


def _until(time: int) -> Deed:
    return lambda chain: chain.until(time)


def _secret(brand: str) -> bytes:
    return sha256(f"secret of {brand}".encode())


def _commitment(brand: str) -> str:
    return draw_commitment(CHAIN, "aurora-summer", brand, _secret(brand))


def _draws(told: Story) -> None:
    summer: dict[str, Any] = {
        "draw": "aurora-summer",
        "campaign": "summer-buys",
        "prizes": [{"name": "A bicycle"}, {"name": "100 stars", "count": 2}],
        "closes": CLOSES,
    }
    told.call(
        "campaign.draw",
        "aurora-marketer",
        "Each purchase is an entry. Two of the four validators' brands must commit: one of them is honest.",
        MARKETER,
        [
            NO_CAMPAIGN,
            NO_MARKETER,
            *NOT_ACTIVE,
            no("NOT_AUTHORISED", "The name is reserved for another brand.", draw="borea-summer"),
            no("ALREADY_EXISTS", "The draw exists.", sent("aurora-marketer", "campaign.draw", **summer)),
            no("EXPIRED", "It would be closed already.", closes=START),
            no("LIMIT_EXCEEDED", "It closes too late.", closes=START + 2 * MAX_OPEN_MS),
            no("LIMIT_EXCEEDED", "There are too many prizes.", prizes=[{"name": "x", "count": 900}] * 2),
            no("INVALID_ARGS", "More commitments than brands with a validator.", commits=5),
        ],
        **summer,
    )
    for ref, who in (("order-1", ANN), ("order-2", BOB), ("order-3", MEMBER), ("order-4", MEMBER)):
        _recorded_by(told, ref, who)
    commit: dict[str, Any] = {"draw": "aurora-summer", "brand": "borea", "commitment": _commitment("borea")}
    told.call(
        "campaign.draw_commit",
        "borea-admin",
        "Borea commits to a secret that `entente draw secret` has made.",
        "an `admin` of a brand with a validator",
        [
            NO_BRAND,
            no("NOT_FOUND", "There is no such draw.", draw="moons"),
            no("NOT_AUTHORISED", "No admin of the brand has signed.", by="aurora-admin"),
            no("SUSPENDED", "The brand is suspended.", suspended("borea")),
            no("SUSPENDED", "The brand has left the alliance.", leaving("borea", "aurora"), waited(MS_PER_DAY)),
            no("ALREADY_EXISTS", "The brand has committed.", sent("borea-admin", "campaign.draw_commit", **commit)),
            no(
                "NOT_ELIGIBLE", "It is too late: the draw has its commitments, or is over.", _draw_of(status="done")
            ),
            no("NOT_ELIGIBLE", "The brand withheld a secret.", _draw_of(struck=("borea",))),
            no("LIMIT_EXCEEDED", "Sixteen brands have committed.", _sixteen),
        ],
        **commit,
    )
    told.does(
        "cielo-admin", "campaign.draw_commit", **{**commit, "brand": "cielo", "commitment": _commitment("cielo")}
    )
    shown: dict[str, Any] = {"draw": "aurora-summer", "brand": "borea", "secret": _secret("borea").hex()}
    early = sent("borea-admin", "campaign.draw_reveal", **shown)
    to_secrets = many(iter([_until(CLOSES), *[waited(200)] * 3]))
    told.then("Entries close; the second block after it gives its digest.", to_secrets)
    told.call(
        "campaign.draw_reveal",
        "ann",
        "Borea shows its secret.",
        "anyone who knows the secret",
        [
            no("NOT_FOUND", "There is no such draw.", draw="moons"),
            no("NOT_FOUND", "The brand has not committed.", brand="aurora"),
            no("NOT_DUE", "The draw does not wait for secrets.", _draw_of(status="open")),
            no("NOT_ELIGIBLE", "The brand has committed to another secret.", secret="00" * 32),
            no("ALREADY_EXISTS", "The secret is known.", early),
        ],
        **shown,
    )
    told.does(
        "cielo-admin", "campaign.draw_reveal", **{**shown, "brand": "cielo", "secret": _secret("cielo").hex()}
    )
    told.then("Three blocks later the prizes are drawn and given.", many(waited(200) for _ in range(3)))
    no_draw = no("NOT_FOUND", "There is no such draw.", draw="moons")
    told.view("campaign_draw", "A draw.", [no_draw], draw="aurora-summer")
    told.view("campaign_draws", "All draws of a brand.", [], brand="aurora")
    told.view("campaign_draw_winners", "Who has won.", [no_draw], draw="aurora-summer")
    told.view("campaign_draw_entries", "Who took part, with how many tickets.", [no_draw], draw="aurora-summer")
    told.view("campaign_draw_proof", "All that the outcome follows from.", [no_draw], draw="aurora-summer")


def _recorded_by(told: Story, ref: str, who: str) -> None:
    told.does(
        "aurora-issuer",
        "campaign.record",
        brand="aurora",
        event="purchase",
        member=who,
        ref=ref,
        at=told.chain.time,
        attrs={"amount": 1_000},
    )


def _draw_of(**changes: Any) -> Deed:
    def change(ctx: Context) -> None:
        DRAWS.put(ctx, replace(DRAWS.require(ctx, "aurora-summer"), **changes), "aurora-summer")

    return lambda chain: chain.govern(change)


def _sixteen(chain: Chain) -> None:
    _draw_of(witnesses=tuple([Witness(f"brand-{n:02}", "00" * 32) for n in range(16)]))(chain)


def _schedules(told: Story) -> None:
    idle: dict[str, Any] = {"campaign": "back", "at": {"idle_days": 60}}
    told.call(
        "campaign.schedule",
        "aurora-marketer",
        "Who has bought nothing for 60 days hears of Aurora.",
        MARKETER,
        [
            NO_CAMPAIGN,
            NO_MARKETER,
            *NOT_ACTIVE,
            no("NOT_ELIGIBLE", "The campaign's event is not of that name.", at="birthday"),
            no("INVALID_ARGS", "A program without days_before_expiry, or the other way.", program="stars"),
            no("INVALID_ARGS", "It is none of the four times.", at={"days": 3}),
            no("NOT_FOUND", "There is no such program.", *_expiring(), **_expiry("moons")),
            no("NOT_AUTHORISED", "The program is another brand's.", *_expiring(), **_expiry("leaves")),
            no(
                "ALREADY_EXISTS", "The campaign is scheduled.", sent("aurora-marketer", "campaign.schedule", **idle)
            ),
            no("LIMIT_EXCEEDED", "The brand has too many schedules.", _many_schedules),
        ],
        **idle,
    )
    told.call(
        "campaign.schedule_enter",
        "aurora-marketer",
        "Members whom no record has shown yet take part.",
        MARKETER,
        [
            NO_CAMPAIGN,
            NO_MARKETER,
            *NOT_ACTIVE,
            no("NOT_ELIGIBLE", "The campaign has no schedule by member.", campaign="cake"),
        ],
        campaign="back",
        members=[MEMBER],
    )
    told.view("campaign_schedules", "What runs by itself.", [NO_BRAND], brand="aurora")
    told.call(
        "campaign.unschedule",
        "aurora-marketer",
        "It runs by itself no more.",
        MARKETER,
        [NO_CAMPAIGN, NO_MARKETER, *NOT_ACTIVE, no("NOT_FOUND", "It is not scheduled.", campaign="cake")],
        campaign="back",
    )
    _birthdays(told)


def _birthdays(told: Story) -> None:
    told.does("aurora-marketer", "campaign.schedule", campaign="cake", at="birthday")
    commitment = birthday_commitment("aurora", MEMBER, BORN["month"], BORN["day"], BORN["salt"])
    who: dict[str, Any] = {"brand": "aurora", "member": MEMBER}
    told.call(
        "campaign.set_birthday",
        "aurora-issuer",
        "Of a birthday the chain gets a commitment to month and day.",
        "an `issuer` of the brand",
        [
            no("NOT_AUTHORISED", "No issuer of the brand has signed.", by="borea-issuer"),
            no("NOT_ELIGIBLE", "The account is no member of the brand.", member=ANN),
            no(
                "ALREADY_EXISTS",
                "The member has a birthday here.",
                sent("aurora-issuer", "campaign.set_birthday", **who, commitment=commitment),
            ),
        ],
        **who,
        commitment=commitment,
    )
    unknown = no("NOT_FOUND", "The member has no birthday here.", member=ANN)
    told.view("campaign_birthday", "What is known of it.", [unknown], **who)
    day = days_from_civil(2024, BORN["month"], BORN["day"]) * MS_PER_DAY
    opened = {**who, **BORN}
    told.then("It is 20 November 2024.", lambda chain: chain.until(day))
    told.call(
        "campaign.open_birthday",
        "aurora-issuer",
        "On the day Aurora opens it, and the campaign on birthdays runs, once a year.",
        "an `issuer` of the brand",
        [
            NO_BRAND,
            unknown,
            no("NOT_AUTHORISED", "No issuer of the brand has signed.", by="borea-issuer"),
            no("NOT_ELIGIBLE", "The brand has committed to another day.", day=21),
            no("NOT_DUE", "It is not the birthday, nor was in the last week.", waited(9 * MS_PER_DAY)),
            no(
                "NOT_FOUND",
                "The brand has no campaign on birthdays.",
                sent("aurora-marketer", "campaign.unschedule", campaign="cake"),
            ),
            no(
                "DUPLICATE_REF",
                "It was opened this year.",
                sent("aurora-issuer", "campaign.open_birthday", **opened),
            ),
            *NOT_ACTIVE,
        ],
        **opened,
    )


def _expiry(program: str) -> dict[str, Any]:
    return {"campaign": "hurry", "at": {"days_before_expiry": 5}, "program": program}


def _expiring() -> tuple[Deed, ...]:
    then = [{"set_profile": {"warned": "true"}}]
    return (
        sent(
            "aurora-marketer",
            "campaign.create",
            campaign="hurry",
            brand="aurora",
            event="expiry",
            when="true",
            then=then,
            starts=START,
            ends=ENDS,
        ),
    )


def _many_schedules(chain: Chain) -> None:
    timings = tuple([Timing(f"c-{n}", "idle", "idle", 1) for n in range(16)])
    chain.govern(lambda ctx: TIMINGS.put(ctx, timings, "aurora"))
