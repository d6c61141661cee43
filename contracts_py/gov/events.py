"""The events of the gov contract."""

from __future__ import annotations

from typing import Annotated

import msgspec

from contracts_py.gov.records import Choice, ParamChanges, Step
from vm.contract_api import BrandId, Count, Hash, Meta, Name, PublicKey, Slug, TimeMs, code, event, text

_Code = Annotated[str, code(64), Meta(max_length=64)]
_Words = Annotated[str, text(0, 1_024), Meta(max_length=1_024)]


@event("gov.proposed")
class Proposed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand has proposed actions to the alliance."""

    proposal: Slug
    brand: BrandId
    expires: TimeMs
    actions_hash: Hash
    title: Name


@event("gov.voted")
class Voted(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand has voted."""

    proposal: Slug
    brand: BrandId
    choice: Choice


@event("gov.withdrawn")
class Withdrawn(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand has withdrawn its proposal."""

    proposal: Slug
    brand: BrandId


@event("gov.expired")
class Expired(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The time to vote on a proposal is over."""

    proposal: Slug
    brand: BrandId


@event("gov.rejected")
class Rejected(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A proposal can no longer pass."""

    proposal: Slug


@event("gov.passed")
class Passed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A proposal has passed, and its actions have happened."""

    proposal: Slug


@event("gov.failed")
class Failed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A proposal has passed, and one of its actions was refused: nothing has changed."""

    proposal: Slug
    code: _Code
    message: _Words


@event("gov.key_rotated")
class KeyRotated(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand's validator has another key, which votes from height `decides` on."""

    brand: BrandId
    old: PublicKey
    new: PublicKey
    decides: Count


@event("gov.validator_added")
class ValidatorAdded(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand has got a validator."""

    brand: BrandId
    key: PublicKey


@event("gov.validator_removed")
class ValidatorRemoved(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand's validator has left the set."""

    brand: BrandId
    key: PublicKey


@event("gov.node_added")
class NodeAdded(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A full node may connect."""

    key: PublicKey


@event("gov.node_removed")
class NodeRemoved(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A full node may connect no longer."""

    key: PublicKey


@event("gov.params_set")
class ParamsSet(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Parameters have changed, from the next height on."""

    params: ParamChanges


@event("gov.upgrade_scheduled")
class UpgradeScheduled(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Blocks carry this protocol version from `height` on."""

    version: Count
    height: Count


@event("gov.reported")
class Reported(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A validator was reported; of it `kept` reports are kept in full, and `counted` more have been counted."""

    validator: PublicKey
    brand: BrandId
    height: Count
    round: Count
    step: Step
    kept: Count
    counted: Count
