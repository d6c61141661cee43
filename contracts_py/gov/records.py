"""What the gov contract keeps in the state.

The chain's own records (validators, nodes, parameters, version) are reached through `vm.contract_api`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from contracts_py.calendar import Offsets
from contracts_py.identity import Admins
from vm.contract_api import (
    NUMBER,
    SLUG,
    TEXT,
    Address,
    Amount,
    Count,
    Hash,
    Meta,
    Name,
    PublicKey,
    Schedule,
    Sequence,
    Signature,
    Slug,
    Table,
    TimeMs,
    code,
    text,
)

MAX_ACTIONS: Final = 16
MAX_VOTES: Final = 256
"""As many brands as can have a validator."""

Choice = Literal["yes", "no"]
Step = Literal["proposal", "prepare", "commit", "round_change"]
Status = Literal["open", "passed", "failed", "rejected", "expired", "withdrawn"]

_Code = Annotated[str, code(64), Meta(max_length=64)]
_Words = Annotated[str, text(0, 1_024), Meta(max_length=1_024)]


class AddValidator(msgspec.Struct, frozen=True, tag_field="action", tag="add_validator", gc=False):
    """A brand gets a validator; a full node's key moves from the node list to the set."""

    brand: Slug
    key: PublicKey


class RemoveValidator(msgspec.Struct, frozen=True, tag_field="action", tag="remove_validator", gc=False):
    """A brand's validator leaves the set."""

    brand: Slug


class AddNode(msgspec.Struct, frozen=True, tag_field="action", tag="add_node", gc=False):
    """A full node may connect."""

    key: PublicKey


class RemoveNode(msgspec.Struct, frozen=True, tag_field="action", tag="remove_node", gc=False):
    """A full node may connect no longer."""

    key: PublicKey


class RegisterBrand(
    msgspec.Struct, frozen=True, tag_field="action", tag="register_brand", omit_defaults=True, gc=False
):
    """A brand joins the alliance."""

    brand: Slug
    name: Name
    admins: Admins
    terms_hash: Hash | None = None
    offsets: Offsets | None = None


class SuspendBrand(msgspec.Struct, frozen=True, tag_field="action", tag="suspend_brand", gc=False):
    """A brand may not issue for the time being."""

    brand: Slug


class ResumeBrand(msgspec.Struct, frozen=True, tag_field="action", tag="resume_brand", gc=False):
    """A suspended brand goes on."""

    brand: Slug


class ExitBrand(msgspec.Struct, frozen=True, tag_field="action", tag="exit_brand", gc=False):
    """A brand leaves: it issues no more, its points are good until `ends`; then `custodian` has its members."""

    brand: Slug
    ends: TimeMs
    custodian: Slug


class ReplaceAdmins(msgspec.Struct, frozen=True, tag_field="action", tag="replace_admins", gc=False):
    """A brand's admins are these from now on, for one that has lost its keys."""

    brand: Slug
    admins: Admins


class ParamChanges(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Parameters by name, those that change; `replay_slot_ms` is part of keys in the state and cannot."""

    block_interval_ms: Amount | None = None
    round_timeout_ms: Amount | None = None
    round_timeout_max_ms: Amount | None = None
    empty_block_interval_ms: Amount | None = None
    max_block_bytes: Amount | None = None
    max_block_cost: Amount | None = None
    max_tx_cost: Amount | None = None
    account_cost_per_window: Amount | None = None
    brand_cost_per_window: Amount | None = None
    window_blocks: Amount | None = None
    due_ms: Amount | None = None
    max_hold_ms: Amount | None = None
    max_backdate_ms: Amount | None = None
    max_tx_ttl_ms: Amount | None = None


class SetParams(msgspec.Struct, frozen=True, tag_field="action", tag="set_params", gc=False):
    """Parameters change, from the next height on."""

    params: ParamChanges


class ScheduleUpgrade(msgspec.Struct, frozen=True, tag_field="action", tag="schedule_upgrade", gc=False):
    """Blocks carry this protocol version from a height on."""

    version: Amount
    height: Amount


Action: TypeAlias = (
    AddValidator
    | RemoveValidator
    | AddNode
    | RemoveNode
    | RegisterBrand
    | SuspendBrand
    | ResumeBrand
    | ExitBrand
    | ReplaceAdmins
    | SetParams
    | ScheduleUpgrade
)
ActionList = Annotated[tuple[Action, ...], Meta(min_length=1, max_length=MAX_ACTIONS)]


class BrandVote(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One brand's vote."""

    brand: Slug
    choice: Choice


class Failure(msgspec.Struct, frozen=True, gc=False):
    """Why a passed proposal changed nothing: which action was refused, and how."""

    action: Count
    code: _Code
    message: _Words


class Proposal(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A proposal without its actions, so that a vote is short. An open one past `expires` has expired.

    Attributes:
        brand, proposer, tx: who proposed it, by which account, in which transaction, where the actions stay.
        height, created: of the block that proposed it.
        actions_hash: hex SHA-256 of the canonical bytes of the list of actions.
        actions_bytes: how many these are.
        votes: sorted by brand.
        closed: height of the block in which the status ceased to be open.
    """

    title: Name
    brand: Slug
    proposer: Address
    tx: Hash
    height: Count
    created: TimeMs
    expires: TimeMs
    actions_hash: Hash
    actions_bytes: Count
    text_hash: Hash | None = None
    votes: Annotated[tuple[BrandVote, ...], Meta(max_length=MAX_VOTES)] = ()
    status: Status = "open"
    closed: Count = 0
    failure: Failure | None = None


class BrandUse(msgspec.Struct, frozen=True, gc=False):
    """How many proposals a brand has open, the bytes of their actions, and its withdrawals of one day (UTC)."""

    open: Count = 0
    bytes: Count = 0
    day: Count = 0
    withdrawn: Count = 0


class Statement(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What one consensus message says beside chain, height and round, and its signature, all in hex."""

    signature: Signature
    digest: Hash | None = None
    state_root: Hash | None = None
    receipts_root: Hash | None = None
    prepared_round: Count | None = None
    prepared_digest: Hash | None = None


class Report(msgspec.Struct, frozen=True, gc=False):
    """Two statements of one validator for one (height, round, step), who told, and when."""

    brand: Slug
    first: Statement
    second: Statement
    reporter: Address
    reported: Count


class ReportCount(msgspec.Struct, frozen=True, gc=False):
    """How often a validator was reported: `kept` in full, `counted` beyond, the last of these for `height`."""

    kept: Count
    counted: Count = 0
    height: Count = 0


class Rotations(msgspec.Struct, frozen=True, gc=False):
    """How often a brand has rotated its validator's key on one day (UTC, of block time)."""

    day: Count
    count: Count


PROPOSAL: Final = ("proposal", SLUG)

PROPOSALS: Final[Table[Proposal]] = Table(
    "gov/proposal",
    (PROPOSAL,),
    Proposal,
    "who proposed it, who has voted, what became of it",
    missing="no such proposal",
    present="the proposal exists",
)
ALL_PROPOSALS: Final[Sequence[str]] = Sequence(
    "gov/proposals", (), Slug, "all proposals, in the order of their making"
)
ACTIONS: Final[Table[tuple[Action, ...]]] = Table(
    "gov/actions",
    (PROPOSAL,),
    ActionList,
    "an open proposal's actions, as they were proposed; gone once it is closed",
)
EXPIRIES: Final = Schedule("gov/expiry", (PROPOSAL,), "the end of the time to vote on a proposal")
BRAND_USES: Final[Table[BrandUse]] = Table(
    "gov/brand", (("brand", SLUG),), BrandUse, "what a brand has open, and how often it has withdrawn on a day"
)
ROTATIONS: Final[Table[Rotations]] = Table(
    "gov/rotations", (("brand", SLUG),), Rotations, "how often a brand has rotated its key on a day"
)
REPORT_RECORDS: Final[Table[Report]] = Table(
    "gov/report",
    (("key", TEXT), ("height", NUMBER), ("round", NUMBER), ("step", TEXT)),
    Report,
    "evidence that a validator contradicted itself, kept in full",
)
REPORT_COUNTS: Final[Table[ReportCount]] = Table(
    "gov/reported", (("key", TEXT),), ReportCount, "how often a validator was reported"
)


Place = tuple[PublicKey, Count, Count, Step]
"""Which report: the validator's key, height, round and step."""

REPORTS: Final[Sequence[tuple[str, int, int, Step]]] = Sequence(
    "gov/reports", (), Place, "all reports that are kept in full, in the order of their recording"
)
