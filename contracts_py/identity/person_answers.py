"""What the identity contract's calls and views answer about persons."""

from __future__ import annotations

import msgspec

from contracts_py.identity.person_records import CardStatus, Level, ReferralCode
from vm.contract_api import Address, BasisPoints, Count, Hash, Name, Slug, TimeMs


class TermsShown(msgspec.Struct, frozen=True, gc=False):
    """The terms of a brand that a member has accepted; `current` where they are its present ones."""

    brand: Slug
    terms_hash: Hash
    accepted: TimeMs
    current: bool


class MemberShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A member, and what is known of it; what is not, is left out.

    Attributes:
        brand, ref, enrolled: who enrolled it, under which commitment, and when.
        custodial: whether a brand acts for it; `custodian` where that is another than `brand`.
        level, provider, expires: of the best attestation in force.
        terms: what it has accepted of its own brand's terms.
        links: the addresses of the same shopper, this one not among them.
        referrer, referral_code, referred: who has referred it; its own code; how many it has referred.
        cards: how many cards find it.
        pool: the household pool that it is in.
        merged_into, merged_from: the account that stands in its place; the accounts in whose place it stands.
        erased: when its facts were erased.
    """

    member: Address
    brand: Slug
    ref: Hash
    enrolled: TimeMs
    custodial: bool
    custodian: Slug | None = None
    level: Level | None = None
    provider: Name | None = None
    expires: TimeMs | None = None
    terms: TermsShown | None = None
    links: tuple[Address, ...] = ()
    referrer: Address | None = None
    referral_code: ReferralCode | None = None
    referred: Count = 0
    cards: Count = 0
    pool: Address | None = None
    merged_into: Address | None = None
    merged_from: tuple[Address, ...] = ()
    erased: TimeMs | None = None


class LinksShown(msgspec.Struct, frozen=True, gc=False):
    """The accounts linked to this one directly, and all of the same shopper, itself included; sorted."""

    account: Address
    direct: tuple[Address, ...]
    group: tuple[Address, ...]


class AttestationShown(msgspec.Struct, frozen=True, gc=False):
    """What a brand attests of a member."""

    member: Address
    brand: Slug
    level: Level
    provider: Name
    commitment: Hash
    expires: TimeMs


class ConsentShown(msgspec.Struct, frozen=True, gc=False):
    """What a member has said to a purpose, to which text, and when."""

    purpose: Slug
    granted: bool
    text_hash: Hash
    given: TimeMs


class CodeOfMember(msgspec.Struct, frozen=True, gc=False):
    """The code by which others name a member as who has referred them."""

    member: Address
    code: ReferralCode


class ReferralNow(msgspec.Struct, frozen=True, gc=False):
    """Who has referred a member."""

    member: Address
    referrer: Address


class CardShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A card, and the member that it finds: the one that stands in its owner's place, if that was merged."""

    commitment: Hash
    member: Address
    status: CardStatus
    added: TimeMs
    replacement: Hash | None = None


class PoolShown(msgspec.Struct, frozen=True, gc=False):
    """A household pool; `spenders` are the members that may spend its points."""

    pool: Address
    name: Slug
    opener: Address
    opened: TimeMs
    members: tuple[Address, ...]
    spenders: tuple[Address, ...]
    contribute_bps: BasisPoints


class PoolParting(msgspec.Struct, frozen=True, gc=False):
    """A member has left a pool, which has so many members still."""

    pool: Address
    member: Address
    members: Count


class MergeNow(msgspec.Struct, frozen=True, gc=False):
    """An account that was merged into another; `unmerge` is possible before `until`."""

    source: Address = msgspec.field(name="from")
    into: Address
    until: TimeMs


class MergeUndone(msgspec.Struct, frozen=True, gc=False):
    """An account that is its own again."""

    source: Address = msgspec.field(name="from")
    into: Address


class ErasureDone(msgspec.Struct, frozen=True, gc=False):
    """The member, and with it the accounts merged into it, whose facts are gone."""

    member: Address
    accounts: tuple[Address, ...]
