"""What gov keeps in the state, and under which keys.

gov/proposals                       list of proposal ids (see `contracts_py.sequences`)
gov/proposal/<proposal>             Proposal: who proposed it, who has voted, what became of it
gov/actions/<proposal>              the actions of an open proposal, as they were proposed; gone once it is closed
gov/expiry                          Expiry: how far the list has been looked through for proposals that have expired
gov/brand/<brand>                   BrandUse: what a brand has open, and how often it has withdrawn on a day
gov/reports                         list of the keys of reports, without `gov/report/`
gov/report/<key hex>/<height>/<round>/<step>  Report: two statements that contradict each other
gov/reported/<key hex>              ReportCount: how many of one validator are kept, and how many more were counted
gov/rotations/<brand>               Rotations: how often a brand has rotated its key on a day

The chain's own records (validators, nodes, parameters, version) are reached through `vm.contract_api`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from contracts_py.calendar import Offset
from contracts_py.identity import MAX_ADMINS_AT_START, MAX_OFFSETS
from vm.contract_api import Address, Amount, Count, Hash, MaxItems, Name, PublicKey, Signature, Slug

PROPOSALS: Final = "gov/proposals"
EXPIRY: Final = "gov/expiry"
REPORTS: Final = "gov/reports"

Choice = Literal["yes", "no"]
Step = Literal["proposal", "prepare", "commit", "round_change"]
Status = Literal["open", "passed", "failed", "rejected", "expired", "withdrawn"]
Admins = Annotated[tuple[Address, ...], MaxItems(MAX_ADMINS_AT_START)]


class AddValidator(msgspec.Struct, frozen=True, tag_field="action", tag="add_validator"):
    """A brand gets a validator; a full node's key moves from the node list to the set."""

    brand: Slug
    key: PublicKey


class RemoveValidator(msgspec.Struct, frozen=True, tag_field="action", tag="remove_validator"):
    """A brand's validator leaves the set."""

    brand: Slug


class AddNode(msgspec.Struct, frozen=True, tag_field="action", tag="add_node"):
    """A full node may connect."""

    key: PublicKey


class RemoveNode(msgspec.Struct, frozen=True, tag_field="action", tag="remove_node"):
    """A full node may connect no longer."""

    key: PublicKey


class RegisterBrand(msgspec.Struct, frozen=True, tag_field="action", tag="register_brand", omit_defaults=True):
    """A brand joins the alliance."""

    brand: Slug
    name: Name
    admins: Admins
    terms_hash: Hash | None = None
    offsets: Annotated[tuple[Offset, ...], MaxItems(MAX_OFFSETS)] | None = None


class SuspendBrand(msgspec.Struct, frozen=True, tag_field="action", tag="suspend_brand"):
    """A brand may not issue for the time being."""

    brand: Slug


class ResumeBrand(msgspec.Struct, frozen=True, tag_field="action", tag="resume_brand"):
    """A suspended brand goes on."""

    brand: Slug


class ReplaceAdmins(msgspec.Struct, frozen=True, tag_field="action", tag="replace_admins"):
    """A brand's admins are these from now on, for one that has lost its keys."""

    brand: Slug
    admins: Admins


class ParamChanges(msgspec.Struct, frozen=True, omit_defaults=True):
    """Parameters by name, those that change; `replay_slot_ms` is part of keys in the state and cannot."""

    block_interval_ms: Amount | None = None
    round_timeout_ms: Amount | None = None
    round_timeout_max_ms: Amount | None = None
    empty_block_interval_ms: Amount | None = None
    max_block_bytes: Amount | None = None
    max_block_cost: Amount | None = None
    max_tx_cost: Amount | None = None
    account_cost_per_window: Amount | None = None
    window_blocks: Amount | None = None
    max_tx_ttl_ms: Amount | None = None


class SetParams(msgspec.Struct, frozen=True, tag_field="action", tag="set_params"):
    """Parameters change, from the next height on."""

    params: ParamChanges


class ScheduleUpgrade(msgspec.Struct, frozen=True, tag_field="action", tag="schedule_upgrade"):
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
    | ReplaceAdmins
    | SetParams
    | ScheduleUpgrade
)
ActionList: TypeAlias = tuple[Action, ...]


class BrandVote(msgspec.Struct, frozen=True, array_like=True):
    """One brand's vote."""

    brand: str
    choice: Choice


class Failure(msgspec.Struct, frozen=True):
    """Why a passed proposal changed nothing: which action was refused, and how."""

    action: int
    code: str
    message: str


class Proposal(msgspec.Struct, frozen=True, omit_defaults=True):
    """A proposal without its actions, so that a vote is short. An open one past `expires` has expired.

    Attributes:
        brand, proposer, tx: who proposed it, by which account, in which transaction, where the actions stay.
        height, created: of the block that proposed it.
        actions_hash: hex SHA-256 of the canonical bytes of the list of actions.
        actions_bytes: how many these are.
        votes: sorted by brand.
        closed: height of the block in which the status ceased to be open.
    """

    title: str
    brand: str
    proposer: str
    tx: str
    height: int
    created: int
    expires: int
    actions_hash: str
    actions_bytes: int
    text_hash: str | None = None
    votes: tuple[BrandVote, ...] = ()
    status: Status = "open"
    closed: int = 0
    failure: Failure | None = None


class Expiry(msgspec.Struct, frozen=True):
    """All proposals before this place of the list are closed; the one there, or a later one, expires at `due`."""

    place: int = 0
    due: int = 0


class BrandUse(msgspec.Struct, frozen=True):
    """How many proposals a brand has open, the bytes of their actions, and its withdrawals of one day (UTC)."""

    open: int = 0
    bytes: int = 0
    day: int = 0
    withdrawn: int = 0


class Statement(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one consensus message says beside chain, height and round, and its signature, all in hex."""

    signature: Signature
    digest: Hash | None = None
    state_root: Hash | None = None
    receipts_root: Hash | None = None
    prepared_round: Count | None = None
    prepared_digest: Hash | None = None


class Report(msgspec.Struct, frozen=True):
    """Two statements of one validator for one (height, round, step), who told, and when."""

    brand: str
    first: Statement
    second: Statement
    reporter: str
    reported: int


class ReportCount(msgspec.Struct, frozen=True):
    """How often a validator was reported: `kept` in full, `counted` beyond, the last of these for `height`."""

    kept: int
    counted: int = 0
    height: int = 0


class Rotations(msgspec.Struct, frozen=True):
    """How often a brand has rotated its validator's key on one day (UTC, of block time)."""

    day: int
    count: int


def proposal_key(proposal: str) -> str:
    """Return the key of a Proposal."""
    return f"gov/proposal/{proposal}"


def actions_key(proposal: str) -> str:
    """Return the key of an open proposal's actions."""
    return f"gov/actions/{proposal}"


def brand_use_key(brand: str) -> str:
    """Return the key of a BrandUse."""
    return f"gov/brand/{brand}"


def report_key(place: str) -> str:
    """Return the key of a Report; `place` is <key hex>/<height>/<round>/<step>."""
    return f"gov/report/{place}"


def report_count_key(validator: str) -> str:
    """Return the key of a ReportCount."""
    return f"gov/reported/{validator}"


def rotations_key(brand: str) -> str:
    """Return the key of a Rotations."""
    return f"gov/rotations/{brand}"
