"""The story of identity: what is known of a member, and its cards."""

from __future__ import annotations

from typing import Any

from contracts_py.identity.person_records import (
    CONSENTS,
    MAX_ATTESTATIONS,
    MAX_CARDS,
    MAX_CONSENTS,
    Consent,
)
from tests.contract_harness import START, Chain, account_of
from tests.reference.stories.identity_chain import (
    ANN,
    CARD,
    DAY,
    HOLDER,
    HOME,
    LAST,
    MEMBER,
    NEW_CARD,
    NO_BRAND,
    TERMS,
    TEXT,
    YEAR,
    erased,
    merged_member,
    no_person,
    not_the_holder,
    pool_ops,
)
from tests.reference.story import ALLIANCE, Story, leaving, no, sent, suspended, waited
from vm.contract_api import Context


def profiles(told: Story) -> None:
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
            no("NOT_ELIGIBLE", "The account was merged into another.", merged_member),
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
            *no_person(ANN, "ann"),
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
            *no_person(ANN, "ann"),
        ],
        member=ANN,
        purpose="email",
        granted=True,
        text_hash=TEXT,
    )


def cards(told: Story) -> None:
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
            no("NOT_ELIGIBLE", "The account was merged into another.", merged_member),
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
