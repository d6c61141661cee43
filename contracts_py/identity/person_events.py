"""The events of the identity contract about persons; those about brands, keys and membership are in `events`."""

from __future__ import annotations

import msgspec

from contracts_py.identity.person_records import Level, PoolMembers, ReferralCode
from vm.contract_api import Address, BasisPoints, BrandId, Hash, Name, Slug, TimeMs, event


@event("identity.linked")
class Linked(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Two accounts are one shopper's from now on."""

    member: Address
    other: Address


@event("identity.unlinked")
class Unlinked(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The link of two accounts has ended."""

    member: Address
    other: Address


@event("identity.attested")
class Attested(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand attests a member's level until `expires`; of level 0: it does so no longer."""

    brand: BrandId
    member: Address
    level: Level
    provider: Name
    expires: TimeMs


@event("identity.terms_accepted")
class TermsAccepted(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A member has accepted a brand's terms."""

    brand: BrandId
    member: Address
    terms_hash: Hash


@event("identity.consented")
class Consented(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A member has granted or withdrawn consent to a purpose."""

    member: Address
    purpose: Slug
    granted: bool
    text_hash: Hash


@event("identity.referral_code_given")
class ReferralCodeGiven(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A member has a referral code from now on."""

    member: Address
    code: ReferralCode


@event("identity.referred")
class Referred(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A member was referred by another account."""

    member: Address
    referrer: Address


@event("identity.card_added")
class CardAdded(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A card finds a member from now on."""

    member: Address
    commitment: Hash


@event("identity.card_blocked")
class CardBlocked(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A member's card was blocked."""

    member: Address
    commitment: Hash


@event("identity.card_replaced")
class CardReplaced(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Another card has taken the place of a member's."""

    member: Address
    commitment: Hash
    replacement: Hash


@event("identity.pool_opened")
class PoolOpened(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A household pool was opened, with its opener as the only member."""

    pool: Address
    member: Address
    name: Slug


@event("identity.pool_joined")
class PoolJoined(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A member has joined a household pool."""

    pool: Address
    member: Address


@event("identity.pool_left")
class PoolLeft(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A member has left a household pool; the last one closes it."""

    pool: Address
    member: Address


@event("identity.pool_rules_set")
class PoolRulesSet(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A household pool's rules were changed; without `spenders` each member spends."""

    pool: Address
    contribute_bps: BasisPoints
    spenders: PoolMembers | None = None


@event("identity.merged")
class Merged(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An account was merged into another."""

    source: Address = msgspec.field(name="from")
    into: Address
    reason: Name


@event("identity.unmerged")
class Unmerged(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A merge was undone."""

    source: Address = msgspec.field(name="from")
    into: Address


@event("identity.erased")
class Erased(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What was known of a member was erased."""

    member: Address
