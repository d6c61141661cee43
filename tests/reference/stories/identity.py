"""The story of identity: a brand and its people, and shoppers with several accounts."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

from contracts_py.identity.person_records import (
    CODES,
    CONSENTS,
    MAX_ATTESTATIONS,
    MAX_CARDS,
    MAX_CONSENTS,
    MAX_GROUP,
    MAX_POOL_MEMBERS,
    Consent,
)
from contracts_py.identity.referral_graph import MAX_WALK
from contracts_py.identity.referrals import code_of
from tests.contract_harness import START, Chain, Op, account_of, key_of, program_args
from tests.reference.story import ALLIANCE, Deed, Story, alliance_ops, leaving, many, no, sent, suspended, waited
from vm.contract_api import Context
from vm.primitives.address import address_of_member, address_of_pool

DAY: Final = 86_400_000
YEAR: Final = START + 365 * DAY
ANN, BOB, CAT, DAN = (account_of(name) for name in ("ann", "bob", "cat", "dan"))
FIRST, SECOND, THIRD = (bytes([number]) * 32 for number in (0xAB, 0xCD, 0xEF))
MEMBER, OTHER, LAST = (address_of_member("aurora", ref) for ref in (FIRST, SECOND, THIRD))
TERMS, TEXT, CARD, NEW_CARD = (f"{number:02x}" * 32 for number in (1, 2, 3, 4))
HOME: Final = address_of_pool(ANN, "home")

HOLDER: Final = "the holder"
CUSTODIAN: Final = "the holder; for a custodial member a `cashier` or `issuer` of its brand"
NO_BRAND: Final = no("NOT_FOUND", "There is no such brand.", brand="moons")


def not_the_holder(by: str = "bob") -> Any:
    """Return the refusal of what a stranger signs."""
    return no("NOT_AUTHORISED", "The signers do not act for the account.", by=by)


def erased(member: str, by: str) -> Deed:
    """Return a deed: an account's facts are erased."""
    return sent(by, "identity.erase", member=member)


def pool_ops(chain: Chain) -> None:
    """Open Ann's pool."""
    sent("ann", "identity.pool_open", member=ANN, name="home")(chain)


def linked_chain(first: str, count: int) -> Deed:
    """Return a deed: an account is linked to so many others, one after the other."""
    names = [first, *[f"{first}{number}" for number in range(count)]]
    pairs = pairwise(names)
    return many(sent(f"{a}+{b}", "identity.link", member=account_of(a), other=account_of(b)) for a, b in pairs)


def referral_line(chain: Chain) -> None:
    """Let there be more referrals above Bob than are looked at, and Ann have referred somebody."""
    sent("dan", "identity.refer", member=DAN, referrer=ANN)(chain)
    names = ["bob", *[f"up{number}" for number in range(MAX_WALK)]]
    for member, referrer in pairwise(names):
        sent(member, "identity.refer", member=account_of(member), referrer=account_of(referrer))(chain)


def frozen_points(account: str) -> tuple[Deed, ...]:
    """Return deeds: an account has points of a program in which it is frozen."""
    return (
        sent("aurora-issuer", "token.issue", program="stars", to=account, amount=9),
        sent("aurora-compliance", "token.freeze", account=account, program="stars"),
    )


def frozen_pool() -> tuple[Deed, ...]:
    """Return deeds: Ann has contributed to her pool, which is frozen."""
    return (
        sent("aurora-admin", "identity.update_brand", brand="aurora", pooling=True),
        sent("aurora-issuer", "token.issue", program="stars", to=ANN, amount=90),
        sent("aurora-compliance", "token.freeze", account=HOME, program="stars"),
    )


def left_pool() -> tuple[Deed, ...]:
    """Return deeds: Ann has contributed to her pool, brought something into it, and left it."""
    return (
        *frozen_pool()[:2],
        sent("ann", "token.transfer", program="stars", to=HOME, amount=5),
        sent("ann", "identity.pool_leave", member=ANN),
    )


def story() -> Story:
    """Tell it."""
    ops: list[Op] = [
        *alliance_ops("aurora", "borea"),
        ("token.create_program", program_args("stars", "aurora")),
        ("identity.update_brand", {"brand": "borea", "terms_hash": TERMS}),
    ]
    intro = (
        "The brands Aurora and Borea, each with one person for each role. Ann, Bob, Cat and Dan are shoppers with "
        "keys of their own; Aurora's members are custodial until they claim their accounts."
    )
    told = Story("identity", intro, ops)
    told.names.update({MEMBER: "Aurora's first member", OTHER: "its second", LAST: "its third", HOME: "Ann's pool"})
    _brands(told)
    _members(told)
    _profiles(told)
    _cards(told)
    _links(told)
    _referrals(told)
    _pools(told)
    _merges(told)
    _views(told)
    return told


def _brands(told: Story) -> None:
    told.call(
        "identity.register_brand",
        ALLIANCE,
        "The alliance has voted for a third brand: the action `register_brand` of [gov](gov.md) does this.",
        "the alliance, by a vote; or genesis",
        [
            no("NOT_AUTHORISED", "A transaction does it, without a vote.", by="aurora-admin"),
            no("ALREADY_EXISTS", "The brand exists.", brand="borea"),
            no("INVALID_ARGS", "An admin is named twice.", admins=[CAT, CAT]),
            no(
                "INVALID_ARGS",
                "The changes of the offset from UTC are not in order.",
                offsets=[{"from": 5, "minutes": 60}, {"from": 4, "minutes": 0}],
            ),
        ],
        brand="cielo",
        name="Cielo",
        admins=[account_of("cielo-admin")],
    )
    no_admin = no("NOT_AUTHORISED", "No admin of the brand has signed.", by="borea-admin")
    told.call(
        "identity.update_brand",
        "aurora-admin",
        "Aurora publishes its terms.",
        "an `admin` of the brand",
        [
            NO_BRAND,
            no_admin,
            no(
                "INVALID_ARGS",
                "The changes of the offset from UTC are not in order.",
                offsets=[{"from": 5, "minutes": 60}, {"from": 4, "minutes": 0}],
            ),
        ],
        brand="aurora",
        terms_hash=TERMS,
    )

    def all_admins(chain: Chain) -> None:
        for number in range(63):
            account = account_of(f"admin{number}")
            sent("aurora-admin", "identity.grant_role", brand="aurora", role="admin", account=account)(chain)

    told.call(
        "identity.grant_role",
        "aurora-admin",
        "Dan becomes Aurora's cashier.",
        "an `admin` of the brand",
        [
            NO_BRAND,
            no_admin,
            no("ALREADY_EXISTS", "The account holds the role.", account=account_of("aurora-cashier")),
            no("LIMIT_EXCEEDED", "The brand has 64 admins.", all_admins, role="admin"),
        ],
        brand="aurora",
        role="cashier",
        account=DAN,
    )
    told.call(
        "identity.revoke_role",
        "aurora-admin",
        "Dan leaves Aurora.",
        "an `admin` of the brand, or the account itself",
        [
            NO_BRAND,
            no_admin,
            no("NOT_FOUND", "The account does not hold the role.", role="issuer"),
            no("NOT_ELIGIBLE", "It is the brand's last admin.", role="admin", account=account_of("aurora-admin")),
        ],
        brand="aurora",
        role="cashier",
        account=DAN,
    )


def _members(told: Story) -> None:
    keys = sorted([key_of("dan").hex(), key_of("dan2").hex()])
    told.call(
        "identity.set_auth",
        "dan",
        "Dan's account can be used with either of two keys from now on.",
        "the account itself",
        [
            no("INVALID_ARGS", "A key is named twice.", keys=[keys[0], keys[0]]),
            no("INVALID_ARGS", "The threshold is higher than the number of keys.", threshold=3),
            no("NOT_AUTHORISED", "Nobody sends this.", by=ALLIANCE),
        ],
        keys=keys,
        threshold=1,
    )
    told.call(
        "identity.enroll",
        "aurora-issuer",
        "A shopper without a key joins at the till.",
        "an `issuer` of the brand",
        [
            NO_BRAND,
            no("NOT_AUTHORISED", "No issuer of the brand has signed.", by="aurora-cashier"),
            no(
                "ALREADY_EXISTS",
                "The member is enrolled.",
                sent("aurora-issuer", "identity.enroll", brand="aurora", ref=FIRST.hex()),
            ),
            no("SUSPENDED", "The brand is suspended.", suspended("aurora")),
            no("SUSPENDED", "The brand leaves the alliance.", leaving("aurora", "borea")),
        ],
        brand="aurora",
        ref=FIRST.hex(),
    )
    for ref in (SECOND, THIRD):
        told.does("aurora-issuer", "identity.enroll", brand="aurora", ref=ref.hex())
    claim: dict[str, Any] = {"member": OTHER, "key": key_of("eve").hex()}
    told.call(
        "identity.claim",
        "aurora-issuer+eve",
        "The second member has installed the app, which has made a key.",
        "an `issuer` of the member's brand, and the new key",
        [
            no("NOT_FOUND", "There is no such member.", member=ANN),
            no("NOT_AUTHORISED", "No issuer of the member's brand has signed.", by="eve"),
            no("NOT_AUTHORISED", "The new key has not signed.", by="aurora-issuer"),
            no(
                "ALREADY_EXISTS",
                "The member has been claimed.",
                sent("aurora-issuer+eve", "identity.claim", **claim),
            ),
        ],
        **claim,
    )


def _no_person(member: str, by: str, name: str = "member") -> list[Any]:
    """Return refusals of accounts about which nothing more is noted."""
    return [
        no("NOT_ELIGIBLE", "The account was erased.", erased(member, by)),
        no("NOT_ELIGIBLE", "The account is a household pool.", pool_ops, by="ann", **{name: HOME}),
    ]


def _merged_member(chain: Chain) -> None:
    sent("aurora-issuer", "identity.merge", from_=MEMBER, into=LAST, reason="two cards")(chain)


def _profiles(told: Story) -> None:
    attest: dict[str, Any] = {
        "member": MEMBER,
        "level": 1,
        "provider": "Notary",
        "commitment": TEXT,
        "expires": YEAR,
    }

    def many_brands(chain: Chain) -> None:
        for number in range(MAX_ATTESTATIONS):
            brand = f"brand{number}"
            admin = account_of(f"{brand}-admin")
            sent(ALLIANCE, "identity.register_brand", brand=brand, name=brand, admins=[admin])(chain)
            sent(ALLIANCE, "identity.attest", **attest, brand=brand)(chain)

    told.call(
        "identity.attest",
        "aurora-compliance",
        "Aurora has seen the member's passport.",
        "`compliance` of the brand",
        [
            no("NOT_FOUND", "There is no such brand.", brand="moons"),
            no("NOT_AUTHORISED", "Nobody of the brand's compliance has signed.", by="aurora-issuer"),
            no("NOT_AUTHORISED", "Nobody of the named brand's compliance has signed.", brand="borea"),
            no(
                "INVALID_ARGS",
                "`brand` is left out, and the signers are of several brands' compliance.",
                by="aurora-compliance+borea-compliance",
            ),
            no("EXPIRED", "It would have expired already.", expires=START),
            no("LIMIT_EXCEEDED", "16 brands attest the member.", many_brands),
            no("SUSPENDED", "The brand is suspended.", suspended("aurora")),
            no("SUSPENDED", "The brand has left the alliance.", leaving("aurora", "borea"), waited(DAY)),
            no("NOT_ELIGIBLE", "The account was merged into another.", _merged_member),
            no("NOT_ELIGIBLE", "The account was erased.", erased(MEMBER, "aurora-compliance")),
            no("NOT_ELIGIBLE", "The account is a household pool.", pool_ops, member=HOME),
        ],
        **attest,
    )
    accept: dict[str, Any] = {"member": ANN, "brand": "aurora", "terms_hash": TERMS}
    told.call(
        "identity.accept_terms",
        "ann",
        "Ann has read Aurora's terms.",
        HOLDER,
        [
            NO_BRAND,
            no("NOT_FOUND", "The brand has no terms.", brand="cielo"),
            not_the_holder(),
            no("CHANGED", "The brand's terms are others.", terms_hash=TEXT),
            no("SUSPENDED", "The brand is suspended.", suspended("aurora")),
            no("SUSPENDED", "The brand has left the alliance.", leaving("aurora", "borea"), waited(DAY)),
            *_no_person(ANN, "ann"),
        ],
        **accept,
    )

    def many_consents(chain: Chain) -> None:
        def fill(ctx: Context) -> None:
            for number in range(MAX_CONSENTS):
                CONSENTS.put(ctx, Consent(True, TEXT, START), ANN, item=f"purpose-{number}")

        chain.govern(fill)

    told.call(
        "identity.consent",
        "ann",
        "Ann may be written to.",
        HOLDER,
        [
            not_the_holder(),
            no("LIMIT_EXCEEDED", "The member was asked about 32 purposes.", many_consents),
            *_no_person(ANN, "ann"),
        ],
        member=ANN,
        purpose="email",
        granted=True,
        text_hash=TEXT,
    )


def _cards(told: Story) -> None:
    may = "the holder, or a `cashier` or `issuer` of the member's brand"

    def many_cards(chain: Chain) -> None:
        for number in range(MAX_CARDS):
            sent("aurora-cashier", "identity.card_add", member=MEMBER, commitment=f"{100 + number:02x}" * 32)(chain)

    told.call(
        "identity.card_add",
        "aurora-cashier",
        "The member gets a plastic card.",
        may,
        [
            not_the_holder(),
            no("NOT_AUTHORISED", "The account is no member, and has not signed.", member=ANN),
            no(
                "ALREADY_EXISTS",
                "The card exists.",
                sent("aurora-cashier", "identity.card_add", member=LAST, commitment=CARD),
            ),
            no("LIMIT_EXCEEDED", "The member has 32 cards.", many_cards),
            no("NOT_ELIGIBLE", "The account was erased.", erased(MEMBER, "aurora-compliance")),
            no("NOT_ELIGIBLE", "The account was merged into another.", _merged_member),
        ],
        member=MEMBER,
        commitment=CARD,
    )
    card: dict[str, Any] = {"commitment": CARD, "member": MEMBER}
    blocked = sent("aurora-cashier", "identity.card_block", **card)
    replaced = sent("aurora-cashier", "identity.card_replace", **card, replacement=NEW_CARD)
    common = [
        no("NOT_FOUND", "There is no such card.", commitment=TERMS),
        not_the_holder(),
        no("INVALID_ARGS", "The card is another member's.", member=LAST),
    ]
    told.call(
        "identity.card_block",
        "aurora-cashier",
        "The card is lost.",
        may,
        [*common, no("NOT_ELIGIBLE", "The card is blocked or replaced.", blocked)],
        **card,
    )
    told.call(
        "identity.card_replace",
        "aurora-cashier",
        "The member gets another one in its place.",
        may,
        [
            *common,
            no("ALREADY_EXISTS", "The replacement is a card already.", replacement=CARD),
            no("LIMIT_EXCEEDED", "The member has 32 cards.", many_cards_but_one),
            no("NOT_ELIGIBLE", "The card was replaced.", replaced, replacement=TEXT),
        ],
        **card,
        replacement=NEW_CARD,
    )
    told.view(
        "identity_card",
        "Whom it finds.",
        [no("NOT_FOUND", "There is no such card.", commitment=TERMS)],
        commitment=NEW_CARD,
    )
    told.view("identity_cards", "All cards of the member.", member=MEMBER)


def many_cards_but_one(chain: Chain) -> None:
    """Give the member, who has a card, as many as he may have."""
    for number in range(MAX_CARDS - 1):
        sent("aurora-cashier", "identity.card_add", member=MEMBER, commitment=f"{100 + number:02x}" * 32)(chain)


def _links(told: Story) -> None:
    link: dict[str, Any] = {"member": ANN, "other": BOB}
    both = "the holders of both"
    told.call(
        "identity.link",
        "ann+bob",
        "Ann has a second phone, whose account has the name Bob here.",
        both,
        [
            no("INVALID_ARGS", "Both are one account.", other=ANN),
            no("NOT_AUTHORISED", "The holder of one of the two has not signed.", by="ann"),
            no("ALREADY_EXISTS", "They are linked directly.", sent("ann+bob", "identity.link", **link)),
            no("LIMIT_EXCEEDED", "More than 16 addresses would be linked.", linked_chain("ann", MAX_GROUP - 1)),
            *_no_person(ANN, "ann"),
        ],
        **link,
    )
    told.view("identity_links", "Which accounts are Ann's.", account=ANN)
    told.call(
        "identity.unlink",
        "ann+bob",
        "It was a mistake.",
        both,
        [
            no("NOT_FOUND", "They are not linked directly.", other=CAT),
            no("NOT_AUTHORISED", "The holder of one of the two has not signed.", by="ann"),
            no(
                "NOT_ELIGIBLE",
                "One was merged into the other.",
                _merged_member,
                by="aurora-issuer",
                member=MEMBER,
                other=LAST,
            ),
        ],
        **link,
    )


def _referrals(told: Story) -> None:
    told.call(
        "identity.referral_code",
        "cat",
        "Cat wants to bring friends.",
        HOLDER,
        [
            not_the_holder(),
            no(
                "ALREADY_EXISTS",
                "The code is another account's, by a rare accident.",
                lambda chain: chain.govern(lambda ctx: CODES.put(ctx, DAN, code_of(CAT))),
            ),
            *_no_person(CAT, "cat"),
        ],
        member=CAT,
    )
    told.call(
        "identity.refer",
        "ann",
        "Ann has come by Cat's code.",
        HOLDER,
        [
            no("INVALID_ARGS", "Neither an account nor a code is given, or both.", code=None),
            no("NOT_FOUND", "There is no such code.", code=code_of(BOB)),
            not_the_holder(),
            no(
                "ALREADY_EXISTS",
                "The member has been referred.",
                sent("ann", "identity.refer", member=ANN, referrer=CAT),
            ),
            no("NOT_ELIGIBLE", "Both are, or were, one shopper.", referrer=BOB, code=None),
            no(
                "NOT_ELIGIBLE",
                "The member has referred its referrer.",
                sent("cat", "identity.refer", member=CAT, referrer=ANN),
            ),
            no("LIMIT_EXCEEDED", "The line of referrals above is too long.", referral_line_above_cat),
            *_no_person(ANN, "ann"),
        ],
        member=ANN,
        code=code_of(CAT),
    )


def referral_line_above_cat(chain: Chain) -> None:
    """Let there be more referrals above Cat than are looked at, and let Ann have referred Dan."""
    sent("dan", "identity.refer", member=DAN, referrer=ANN)(chain)
    names = ["cat", *[f"up{number}" for number in range(MAX_WALK + 1)]]
    for member, referrer in pairwise(names):
        sent(member, "identity.refer", member=account_of(member), referrer=account_of(referrer))(chain)


def _pools(told: Story) -> None:
    opened: dict[str, Any] = {"member": ANN, "name": "home", "contribute_bps": 5_000}
    told.call(
        "identity.pool_open",
        "ann",
        "Ann's family saves together: half of what each is issued goes into the pool.",
        HOLDER,
        [
            not_the_holder(),
            no(
                "ALREADY_EXISTS",
                "The pool exists.",
                sent("ann", "identity.pool_open", **opened),
                sent("ann+cat", "identity.pool_join", pool=HOME, member=CAT),
                sent("ann", "identity.pool_leave", member=ANN),
            ),
            no(
                "ALREADY_EXISTS",
                "The member is in a pool.",
                sent("ann", "identity.pool_open", **{**opened, "name": "cabin"}),
            ),
            *_no_person(ANN, "ann"),
        ],
        **opened,
    )

    def full(chain: Chain) -> None:
        for number in range(MAX_POOL_MEMBERS - 1):
            person = f"child{number}"
            sent(f"ann+{person}", "identity.pool_join", pool=HOME, member=account_of(person))(chain)

    told.call(
        "identity.pool_join",
        "ann+cat",
        "Cat joins; Ann, the pool's first member, agrees.",
        "the holder, and that of the pool's first member",
        [
            no("NOT_FOUND", "There is no such pool.", pool=DAN),
            no("NOT_AUTHORISED", "The holder or the pool's first member has not signed.", by="cat"),
            no(
                "ALREADY_EXISTS",
                "The member is in a pool.",
                sent("cat", "identity.pool_open", member=CAT, name="cabin"),
            ),
            no("LIMIT_EXCEEDED", "The pool has 8 members.", full),
            no("NOT_ELIGIBLE", "The account was erased.", erased(CAT, "cat")),
            no("NOT_ELIGIBLE", "The account is a household pool.", member=HOME),
        ],
        pool=HOME,
        member=CAT,
    )
    told.call(
        "identity.pool_rules",
        "ann+cat",
        "From now on a fifth goes into the pool, and Ann alone spends from it.",
        "the holders of all members",
        [
            no("NOT_FOUND", "There is no such pool.", pool=DAN),
            no("NOT_AUTHORISED", "The holder of a member has not signed.", by="ann"),
            no("INVALID_ARGS", "`spenders` are not different members of the pool.", spenders=[DAN]),
        ],
        pool=HOME,
        contribute_bps=2_000,
        spenders=[ANN],
    )
    told.view("identity_pool", "As it is now.", [no("NOT_FOUND", "There is no such pool.", pool=DAN)], pool=HOME)
    told.call(
        "identity.pool_leave",
        "cat",
        "Cat moves out, and takes along what is left of what was brought.",
        HOLDER,
        [
            not_the_holder(),
            no("NOT_FOUND", "The member is in no pool, or in another.", by="bob", member=BOB),
            no("NOT_FOUND", "The member has left it.", *left_pool(), by="ann", member=ANN),
            no("FROZEN", "The pool is frozen in a program.", *frozen_pool(), by="ann", member=ANN),
        ],
        member=CAT,
    )


def _merges(told: Story) -> None:
    told.does("aurora-issuer", "token.issue", program="stars", to=MEMBER, amount=40)
    merge: dict[str, Any] = {"from": MEMBER, "into": LAST, "reason": "two cards of one shopper"}
    told.call(
        "identity.merge",
        "aurora-issuer",
        "The first and the third member are one shopper.",
        "an `issuer` of each side's brand; and the holder of a side that has been claimed",
        [
            no("NOT_FOUND", "One side is no member.", into=CAT),
            no("INVALID_ARGS", "Both are one member.", into=MEMBER),
            no("NOT_AUTHORISED", "No issuer of a side's brand has signed.", by="aurora-cashier"),
            no("NOT_AUTHORISED", "The holder of a side that was claimed has not signed.", into=OTHER),
            no(
                "NOT_ELIGIBLE",
                "One side was merged already.",
                sent("aurora-cashier", "identity.pool_open", member=MEMBER, name="nest"),
                sent("aurora-issuer", "identity.merge", **merge),
            ),
            no("NOT_ELIGIBLE", "One side was erased.", erased(LAST, "aurora-compliance")),
            no("NOT_ELIGIBLE", "One side is a household pool.", into=HOME),
            no("LIMIT_EXCEEDED", "More than 16 addresses would be linked.", full_group_of_member),
            no("FROZEN", "One side is frozen in a program.", *frozen_points(MEMBER)),
        ],
        **merge,
    )
    undo: dict[str, Any] = {"from": MEMBER, "into": LAST}
    told.call(
        "identity.unmerge",
        "aurora-issuer",
        "They are not.",
        "as for `merge`: an `issuer` of each side's brand, and holders",
        [
            no("NOT_FOUND", "The member was not merged.", from_=LAST),
            no("INVALID_ARGS", "It was merged into another one.", into=OTHER),
            no("NOT_AUTHORISED", "No issuer of a side's brand has signed.", by="aurora-cashier"),
            no("EXPIRED", "The merge is 30 days old.", waited(30 * DAY)),
            no("FROZEN", "One side is frozen in a program.", *frozen_points(LAST)),
            no("NOT_ELIGIBLE", "What it was merged into was erased.", erased(LAST, "aurora-compliance")),
        ],
        **undo,
    )
    told.call(
        "identity.erase",
        "aurora-compliance",
        "The third member asks to be forgotten.",
        "`compliance` of the member's brand, or the account itself",
        [
            no("NOT_AUTHORISED", "Neither has signed.", by="aurora-issuer"),
            no("NOT_AUTHORISED", "It is no member: only the account itself may.", member=ANN),
            no("NOT_ELIGIBLE", "It was erased.", erased(LAST, "aurora-compliance")),
            no(
                "NOT_ELIGIBLE",
                "It was erased, which took it out of its pool.",
                erased(ANN, "ann"),
                member=ANN,
                by="ann",
            ),
            no("NOT_ELIGIBLE", "It is a household pool.", member=HOME),
            no("FROZEN", "The pool that it leaves is frozen in a program.", *frozen_pool(), by="ann", member=ANN),
        ],
        member=LAST,
    )


def full_group_of_member(chain: Chain) -> None:
    """Link the first member to as many accounts as may be linked."""
    names = [f"kin{number}" for number in range(MAX_GROUP - 1)]
    for name in names:
        sent(f"{name}+aurora-cashier", "identity.link", member=account_of(name), other=MEMBER)(chain)


def _views(told: Story) -> None:
    told.view("identity_brand", "The brand.", [NO_BRAND], brand="aurora")
    told.view("identity_brands", "The first two brands.", limit=2)
    told.view("identity_roles", "Who acts for Borea.", [NO_BRAND], brand="borea", limit=3)
    told.view(
        "identity_member",
        "The first member.",
        [no("NOT_FOUND", "There is no such member.", member=DAN)],
        member=MEMBER,
    )
    told.view("identity_account", "Dan's account with two keys.", account=DAN)
    told.view("identity_attestations", "What is attested of the first member.", member=MEMBER)
    told.view("identity_terms", "Whose terms Ann has accepted.", member=ANN)
    told.view("identity_consents", "What Ann has said.", member=ANN)
