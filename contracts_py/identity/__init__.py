"""Brands, roles and members: who is who, and who may act for whom.

    records      what is in the state, and under which keys
    events       what the calls tell
    answers      what calls and views answer
    authority    what the machine and other contracts ask
    brands       brands and their roles
    members      accounts' keys, custodial members

An account without an auth record is held by the one key that its address is made of. With one, any
`threshold` of the record's keys act for it, and the original key no longer does, unless it is among them. A
custodial member has no key: its custodian brand's cashiers and issuers act for it, until it is claimed.

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
from contracts_py.identity.members import Members

__all__ = ["Admins", "Authority", "Brands", "Members"]
