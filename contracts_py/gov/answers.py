"""What the gov contract's calls and views answer."""

from __future__ import annotations

import msgspec

from contracts_py.gov.records import Action, Choice, Failure, Statement, Status, Step
from vm.contract_api import Address, Count, Hash, Name, PublicKey, Slug, TimeMs


class ProposalMade(msgspec.Struct, frozen=True, gc=False):
    """The proposal, whose it is, when it expires, and the hash of its actions, which votes may name."""

    proposal: Slug
    brand: Slug
    expires: TimeMs
    actions_hash: Hash


class ProposalStatus(msgspec.Struct, frozen=True, gc=False):
    """The proposal, and what the call has led to."""

    proposal: Slug
    status: Status


class Rotation(msgspec.Struct, frozen=True, gc=False):
    """The brand whose key has changed; from height `decides` on the new one votes."""

    brand: Slug
    old: PublicKey
    new: PublicKey
    decides: Count


class ReportMade(msgspec.Struct, frozen=True, gc=False):
    """What was reported, how many of the validator are kept in full, and how many more have been counted."""

    validator: PublicKey
    brand: Slug
    height: Count
    round: Count
    step: Step
    kept: Count
    counted: Count


class ProposalShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A proposal.

    `actions` while it is open; `closed` is the height that ended it, `failure` which action was refused and
    how; `tx` the transaction that proposed it, which keeps the actions of one that is closed.
    """

    proposal: Slug
    title: Name
    brand: Slug
    proposer: Address
    tx: Hash
    height: Count
    created: TimeMs
    expires: TimeMs
    actions_hash: Hash
    votes: dict[str, Choice]
    yes: Count
    no: Count
    voters: Count
    needed: Count
    status: Status
    actions: tuple[Action, ...] | None = None
    closed: Count | None = None
    text_hash: Hash | None = None
    failure: Failure | None = None


class ReportShown(msgspec.Struct, frozen=True, gc=False):
    """A validator that contradicted itself, with what it signed."""

    validator: PublicKey
    brand: Slug
    height: Count
    round: Count
    step: Step
    first: Statement
    second: Statement
    reporter: Address
    reported: Count
