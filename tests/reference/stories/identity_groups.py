"""The story of identity: links, referrals, pools, and accounts that become one."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from contracts_py.identity.person_records import (
    CODES,
    MAX_GROUP,
    MAX_POOL_MEMBERS,
)
from contracts_py.identity.referral_graph import MAX_WALK
from contracts_py.identity.referrals import code_of
from tests.contract_harness import Chain, account_of
from tests.reference.stories.identity_chain import (
    ANN,
    BOB,
    CAT,
    DAN,
    DAY,
    HOLDER,
    HOME,
    LAST,
    MEMBER,
    OTHER,
    erased,
    left_pool,
    linked_chain,
    merged_member,
    no_person,
    not_the_holder,
)
from tests.reference.stories.moving import closing, many_moves
from tests.reference.story import Story, no, sent, waited
from vm.primitives.address import address_of_pool


def links(told: Story) -> None:
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
            *no_person(ANN, "ann"),
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
                merged_member,
                by="aurora-issuer",
                member=MEMBER,
                other=LAST,
            ),
        ],
        **link,
    )


def referrals(told: Story) -> None:
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
            *no_person(CAT, "cat"),
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
            *no_person(ANN, "ann"),
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


def pools(told: Story) -> None:
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
            no("NOT_ELIGIBLE", "All points of the pool are on their way to who left it last.", closing(HOME)),
            *no_person(ANN, "ann"),
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
            no("LIMIT_EXCEEDED", "The parts of 16 others who left it are on their way.", many_moves(HOME)),
        ],
        member=CAT,
    )


def merges(told: Story) -> None:
    told.does("aurora-issuer", "token.issue", program="stars", to=MEMBER, amount=40)
    club = {"collection": "aurora-club", "brand": "aurora", "name": "Club", "symbol": "CLUB", "soulbound": True}
    told.does("aurora-marketer", "nft.create_collection", **club)
    told.does("aurora-issuer", "nft.mint", collection="aurora-club", token=1, to=MEMBER)
    for member in (MEMBER, LAST):
        told.does("aurora-cashier", "identity.pool_open", member=member, name="nest")
        told.does("aurora-issuer", "token.issue", program="stars", to=address_of_pool(member, "nest"), amount=5)
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
                sent("aurora-issuer", "identity.merge", **merge),
            ),
            no("NOT_ELIGIBLE", "One side was erased.", erased(LAST, "aurora-compliance")),
            no("NOT_ELIGIBLE", "One side is a household pool.", into=HOME),
            no("NOT_ELIGIBLE", "Points are on their way out of the account that is merged.", many_moves(MEMBER)),
            no("LIMIT_EXCEEDED", "More than 16 addresses would be linked.", full_group_of_member),
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
            no("NOT_ELIGIBLE", "What it was merged into was erased.", erased(LAST, "aurora-compliance")),
        ],
        **undo,
    )
    levels = [{"name": "bronze", "threshold": 0}, {"name": "silver", "threshold": 100}]
    ladder = {"brand": "aurora", "metric": "points", "levels": levels, "window_days": 365, "grace_days": 30}
    told.does("aurora-marketer", "tier.define", **ladder)
    given = {"member": LAST, "level": "silver", "until": told.chain.time + 90 * DAY, "reason": "A lost parcel"}
    told.does("aurora-issuer", "tier.grant", **given)
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
                *left_pool()[:-1],
                erased(ANN, "ann"),
                member=ANN,
                by="ann",
            ),
            no("NOT_ELIGIBLE", "It is a household pool.", member=HOME),
            no(
                "LIMIT_EXCEEDED",
                "The parts of 16 others who left its pool are on their way.",
                many_moves(address_of_pool(LAST, "nest")),
            ),
        ],
        member=LAST,
    )


def full_group_of_member(chain: Chain) -> None:
    """Link the first member to as many accounts as may be linked."""
    names = [f"kin{number}" for number in range(MAX_GROUP - 1)]
    for name in names:
        sent(f"{name}+aurora-cashier", "identity.link", member=account_of(name), other=MEMBER)(chain)
