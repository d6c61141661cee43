"""Brands, roles and members: who is who, and who may act for whom.

    records, person_records    what is in the state, and under which keys
    events, person_events      what the calls tell
    answers, person_answers    what calls and views answer
    hooks                      what contracts above are told
    groups, referral_graph     which addresses are one shopper's: links and merges; circles of referrals
    authority                  what the machine and other contracts ask
    brands, exits              brands and their roles; brands that leave
    members                    accounts' keys, custodial members
    links, merges              one shopper's accounts: linked, or made one
    profiles, referrals        attestations, terms, consents; who has referred whom
    cards                      cards and phone numbers
    pools                      households
    erasures                   what is known of a person goes

An account without an auth record is held by the one key that its address is made of. With one, any
`threshold` of the record's keys act for it, and the original key no longer does, unless it is among them. A
custodial member has no key: its custodian brand's cashiers and issuers act for it, until it is claimed. A household
pool has none either: who acts for one of its spenders acts for it.

Whoever signs a transaction consents to all of it. So a role counts where the transaction's sender holds
it, or the account of any key that signed. A brand gives roles without asking, though: so no call acts for every
brand at which a signer holds a role, and a holder may give a role up (docs/decisions/abuse-of-names-and-roles.md).

Invariants:
    1. A brand has at least one admin, always.
    2. ADMINS and ROLE_HOLDERS say the same as the roles in the accounts' records.
    3. A member's address never changes: balances, tiers and badges stay where they are.
    4. An id that is a registered brand's slug, or begins with it and a dash, is that brand's, unless it is older.
"""

from __future__ import annotations

from contracts_py.identity.authority import Authority
from contracts_py.identity.brands import Admins, Brands
from contracts_py.identity.cards import Cards
from contracts_py.identity.erasures import Erasures
from contracts_py.identity.exits import Exits
from contracts_py.identity.hooks import BrandExit, Erasure, IdentityHooks, Merge, PoolChange, Regrouped
from contracts_py.identity.links import Links
from contracts_py.identity.members import Members
from contracts_py.identity.merges import Merges
from contracts_py.identity.pools import Pools
from contracts_py.identity.profiles import Profiles
from contracts_py.identity.referrals import Referrals
from vm.contract_api import Contract

__all__ = [
    "Admins",
    "Authority",
    "BrandExit",
    "Brands",
    "Erasure",
    "Exits",
    "IdentityHooks",
    "Merge",
    "PoolChange",
    "Regrouped",
    "identity_contract",
]


def identity_contract(authority: Authority, brands: Brands, exits: Exits, hooks: IdentityHooks) -> list[Contract]:
    """Return the rooms of the identity contract; gov knows two of them."""
    return [
        brands,
        exits,
        Members(authority),
        Links(authority, hooks),
        Profiles(authority),
        Referrals(authority),
        Cards(authority),
        Pools(authority, hooks),
        Merges(authority, hooks),
        Erasures(authority, hooks),
    ]
