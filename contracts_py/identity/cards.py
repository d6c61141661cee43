"""Cards and phone numbers: a salted commitment of each finds its member."""

from __future__ import annotations

from msgspec.structs import replace

from contracts_py.identity import groups
from contracts_py.identity.authority import Authority
from contracts_py.identity.person_answers import CardShown
from contracts_py.identity.person_events import CardAdded, CardBlocked, CardReplaced
from contracts_py.identity.person_records import CARDS, CARDS_OF, MAX_CARDS, Card
from contracts_py.identity.records import ACCOUNTS, NO_ACCOUNT
from vm.contract_api import (
    DEFAULT_PAGE,
    Address,
    Context,
    Contract,
    Cursor,
    Hash,
    Page,
    PageLimit,
    Refused,
    call,
    refuse,
    view,
)


class Cards(Contract):
    """The room for cards."""

    name = "identity"

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    @call
    def card_add(self, ctx: Context, member: Address, commitment: Hash) -> CardShown:
        """Let a card find a member (the holder; cashier or issuer of the member's brand)."""
        groups.require_person(ctx, member)
        self._require_may(ctx, member)
        self._add(ctx, member, commitment)
        ctx.emit(CardAdded(member, commitment))
        return self.card(ctx, commitment)

    @call
    def card_block(self, ctx: Context, commitment: Hash, member: Address | None = None) -> CardShown:
        """Block a card for ever (as `card_add`); `member`, if given, is whose it must be."""
        card = self._own_card(ctx, commitment, member)
        if card.status != "active":
            raise Refused("NOT_ELIGIBLE", f"the card is {card.status}", commitment=commitment)
        CARDS.put(ctx, replace(card, status="blocked"), commitment)
        ctx.emit(CardBlocked(card.member, commitment))
        return self.card(ctx, commitment)

    @call
    def card_replace(
        self, ctx: Context, commitment: Hash, replacement: Hash, member: Address | None = None
    ) -> CardShown:
        """Let another card take the place of one that is active or blocked (as `card_add`); show the new one."""
        card = self._own_card(ctx, commitment, member)
        if card.status == "replaced":
            raise Refused("NOT_ELIGIBLE", "the card was replaced", replacement=card.replacement)
        self._add(ctx, card.member, replacement)
        CARDS.put(ctx, replace(card, status="replaced", replacement=replacement), commitment)
        ctx.emit(CardReplaced(card.member, commitment, replacement))
        return self.card(ctx, replacement)

    def _add(self, ctx: Context, member: str, commitment: str) -> None:
        CARDS.require_absent(ctx, commitment)
        if sum(1 for _ in CARDS_OF.iterate(ctx, member)) >= MAX_CARDS:
            raise Refused("LIMIT_EXCEEDED", "the member has too many cards", limit=MAX_CARDS)
        CARDS.put(ctx, Card(member, ctx.time), commitment)
        CARDS_OF.add(ctx, member, item=commitment)

    def _own_card(self, ctx: Context, commitment: str, member: str | None) -> Card:
        """Return a card after checking that the signers may change it."""
        card = CARDS.require(ctx, commitment)
        if member is not None and member not in (card.member, groups.current_account(ctx, card.member)):
            refuse("member", "the card's member, or nothing")
        self._require_may(ctx, card.member)
        return card

    def _require_may(self, ctx: Context, member: str) -> None:
        """Refuse unless a holder of the card has signed, or the till of his brand."""
        if not self._may(ctx, member) and not self._may(ctx, groups.current_account(ctx, member)):
            raise Refused("NOT_AUTHORISED", "the signers may not act for the member", account=member)

    def _may(self, ctx: Context, account: str) -> bool:
        if self._authority.acts_for(ctx, account):
            return True
        enrolled = (ACCOUNTS.get(ctx, account) or NO_ACCOUNT).member
        if enrolled is None:
            return False
        return self._authority.holds_role(ctx, self._authority.brand_acting_for(ctx, enrolled), "cashier", "issuer")

    @view
    def card(self, ctx: Context, commitment: Hash) -> CardShown:
        """Return a card and the member that it finds."""
        card = CARDS.require(ctx, commitment)
        member = groups.current_account(ctx, card.member)
        return CardShown(commitment, member, card.status, card.added, card.replacement)

    @view
    def cards(
        self, ctx: Context, member: Address, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[CardShown]:
        """Return a member's cards, by commitment; those of accounts merged into it are under these."""
        return CARDS_OF.page(
            ctx, member, cursor=cursor, limit=limit, show=lambda commitment: self.card(ctx, commitment)
        )


def forget_cards(ctx: Context, account: str) -> None:
    """Remove all cards of an account."""
    cards = list(CARDS_OF.iterate(ctx, account))
    for commitment in cards:
        CARDS.delete(ctx, commitment)
    CARDS_OF.discard_all(ctx, cards, account)
