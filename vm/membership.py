"""Who validates when, and what the alliance changes of the chain's own records (SPEC section 3, Membership).

`chain/validators` after height h is the set that decides height h + 2: a change executed in h is announced in
header h + 1 and decides from h + 2. Every set that the chain has had stays in the state, so that whoever
holds the head, a backup or a snapshot knows who decided any height: see `CHANGES`.

Invariants:
    1. The entries' heights ascend strictly, neighbours differ, and the last one's set is `chain/validators`.
    2. A record `chain/validator/<key>` exists only for keys in `chain/validators`.

Contracts reach these functions through `vm.contract_api`; only `gov` changes anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

import msgspec

from vm.arguments.types import Count
from vm.chain_records import (
    NODES,
    VALIDATOR_RECORDS,
    VALIDATORS,
    NodeList,
    ValidatorEntries,
    ValidatorEntry,
    ValidatorList,
)
from vm.errors import InvariantBroken
from vm.params import PARAMS, Params
from vm.tables.sequence import Sequence
from vm.tables.stored import Readable
from vm.tables.stored import Writable as _Writable
from vm.tables.table import Table

DECIDES_AFTER = 2
"""A set in the state after height h decides height h + 2 (SPEC section 3)."""


class Writable(_Writable, Protocol):
    """A state that can be changed at a height: a `Context`."""

    height: int


class MembershipChange(msgspec.Struct, frozen=True):
    """The set in the state after `height`, which differs from the one before."""

    height: Count
    validators: ValidatorEntries


class ProtocolVersion(msgspec.Struct, frozen=True):
    """Blocks from `height` on carry `version`; those below carry `before`, where 0 is the genesis document's."""

    version: Count
    height: Count
    before: Count


CHANGES: Final[Sequence[MembershipChange]] = Sequence(
    "chain/membership",
    (),
    MembershipChange,
    "each set with its height, once it has changed; the first is the genesis set at height 0",
)
VERSION: Final[Table[ProtocolVersion]] = Table(
    "chain/version", (), ProtocolVersion, "the protocol version, once an upgrade has been scheduled"
)


# -- reading ------------------------------------------------------------------------------------------


def current_validators(state: Readable) -> tuple[ValidatorEntry, ...]:
    """Return the newest set, sorted by key."""
    stored = VALIDATORS.get(state)
    if stored is None:
        raise InvariantBroken("the state holds no validators")
    return stored.validators


def current_nodes(state: Readable) -> tuple[bytes, ...]:
    """Return the keys of the permitted full nodes, sorted."""
    stored = NODES.get(state)
    return () if stored is None else stored.nodes


def current_params(state: Readable) -> Params:
    """Return the parameters that hold from the next height on."""
    params = PARAMS.get(state)
    if params is None:
        raise InvariantBroken("the state holds no parameters")
    return params


def validators_deciding(state: Readable, height: int) -> tuple[ValidatorEntry, ...]:
    """Return the set that decides `height`, which is at most two above the state's own height."""
    place = changes_before(state, height)
    return current_validators(state) if place == 0 else membership_change(state, place - 1).validators


def change_count(state: Readable) -> int:
    """Return how many entries the history of sets has; 0 where the set has never changed."""
    return CHANGES.length(state)


def membership_change(state: Readable, place: int) -> MembershipChange:
    """Return one entry of the history of sets."""
    return CHANGES.at(state, place=place)


def changes_before(state: Readable, height: int) -> int:
    """Return how many entries of the history hold by `height`: the last of them is the set that decides it."""
    low, high = 0, change_count(state)
    while low < high:
        middle = (low + high) // 2
        # Entry 0 is the genesis set, which decides heights 1 and 2 as well.
        if middle == 0 or membership_change(state, middle).height + DECIDES_AFTER <= height:
            low = middle + 1
        else:
            high = middle
    return low


def version_at(state: Readable, height: int, genesis_version: int) -> int:
    """Return the protocol version of a height, as far as the state knows."""
    scheduled = VERSION.get(state)
    if scheduled is None:
        return genesis_version
    return scheduled.version if height >= scheduled.height else scheduled.before or genesis_version


# -- changing -----------------------------------------------------------------------------------------


def change_validators(ctx: Writable, validators: Iterable[ValidatorEntry]) -> None:
    """Put another set into the state and its history; whoever leaves takes its seal record along."""
    entries = tuple(sorted(validators, key=lambda entry: entry.public_key))
    before = current_validators(ctx)
    if entries == before:
        return
    kept = {entry.public_key for entry in entries}
    for entry in before:
        if entry.public_key not in kept:
            VALIDATOR_RECORDS.delete(ctx, entry.public_key)
    VALIDATORS.put(ctx, ValidatorList(entries))
    _record_change(ctx, before, entries)


def _record_change(ctx: Writable, before: tuple[ValidatorEntry, ...], entries: tuple[ValidatorEntry, ...]) -> None:
    """Append a set to the history. All changes in one block are one: no height decides by what was in between."""
    if CHANGES.length(ctx) == 0:
        CHANGES.append(ctx, MembershipChange(0, before))
    place = CHANGES.length(ctx) - 1
    change = MembershipChange(ctx.height, entries)
    if CHANGES.at(ctx, place=place).height != ctx.height:
        CHANGES.append(ctx, change)
    elif CHANGES.at(ctx, place=place - 1).validators == entries:
        # Changed and changed back: no header will announce it, so nobody must look for one.
        CHANGES.drop_last(ctx)
    else:
        CHANGES.replace_last(ctx, change)


def change_nodes(ctx: Writable, nodes: Iterable[bytes]) -> None:
    """Replace the list of permitted full nodes."""
    NODES.put(ctx, NodeList(tuple(sorted(nodes))))


def change_params(ctx: Writable, params: Params) -> None:
    """Replace the parameters, from the next height on."""
    PARAMS.put(ctx, params)


def schedule_version(ctx: Writable, version: int, height: int) -> None:
    """Let blocks from `height` on carry `version`; replaces a schedule whose height has not come yet."""
    before = version_at(ctx, ctx.height + 1, 0)
    VERSION.put(ctx, ProtocolVersion(version, height, before))
