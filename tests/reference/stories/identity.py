"""The story of identity: a brand and its people, and shoppers with several accounts."""

from __future__ import annotations

from typing import Any

from tests.contract_harness import Chain, Op, account_of, key_of, program_args
from tests.reference.stories.identity_chain import (
    ANN,
    CAT,
    DAN,
    FIRST,
    HOME,
    LAST,
    MEMBER,
    NO_BRAND,
    OTHER,
    SECOND,
    TERMS,
    THIRD,
)
from tests.reference.stories.identity_groups import (
    links,
    merges,
    pools,
    referrals,
)
from tests.reference.stories.identity_profiles import cards, profiles
from tests.reference.story import ALLIANCE, Story, alliance_ops, leaving, no, sent, suspended


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
    profiles(told)
    cards(told)
    links(told)
    referrals(told)
    pools(told)
    merges(told)
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
                offsets=[{"from": 60_000, "minutes": 60}, {"from": 0, "minutes": 0}],
            ),
            no("INVALID_ARGS", "The offset changes amid a minute.", offsets=[{"from": 5, "minutes": 60}]),
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
                offsets=[{"from": 60_000, "minutes": 60}, {"from": 0, "minutes": 0}],
            ),
            no("INVALID_ARGS", "The offset changes amid a minute.", offsets=[{"from": 5, "minutes": 60}]),
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
