"""Who validates when, and what the alliance changes of the chain's own records (SPEC section 3, Membership).

`chain/validators` after height h is the set that decides height h + 2: a change executed in h is announced in
header h + 1 and decides from h + 2. Every set that the chain has had stays in the state, so that whoever
holds the head, a backup or a snapshot knows who decided any height:

    chain/membership       how many entries follow; none before the first change
    chain/membership/<n>   MembershipChange; entry 0 is the genesis set at height 0

Invariants:
    1. The entries' heights ascend strictly, neighbours differ, and the last one's set is `chain/validators`.
    2. A record `chain/validator/<key>` exists only for keys in `chain/validators`.

Contracts reach these functions through `vm.contract_api`; only `gov` changes anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeVar

import msgspec

from vm.chain_records import (
    NODES_KEY,
    VALIDATORS_KEY,
    NodeList,
    ValidatorEntry,
    ValidatorList,
    validator_record_key,
)
from vm.errors import InvariantBroken
from vm.params import PARAMS_KEY, Params

CHANGES_KEY = "chain/membership"
VERSION_KEY = "chain/version"

DECIDES_AFTER = 2
"""A set in the state after height h decides height h + 2 (SPEC section 3)."""

T = TypeVar("T")


class Readable(Protocol):
    """A state that can be read: a `StateReader`, an overlay, a `Context`."""

    def get(self, key: str, type_: type[T]) -> T | None:
        """Return the value at `key`, or None."""
        ...


class Writable(Readable, Protocol):
    """A state that can be changed at a height: a `Context`."""

    height: int

    def put(self, key: str, value: Any) -> None:
        """Set the value at `key`."""
        ...

    def delete(self, key: str) -> None:
        """Remove the value at `key`."""
        ...


class MembershipChange(msgspec.Struct, frozen=True):
    """The set in the state after `height`, which differs from the one before."""

    height: int
    validators: tuple[ValidatorEntry, ...]


class ProtocolVersion(msgspec.Struct, frozen=True):
    """Blocks from `height` on carry `version`; those below carry `before`, where 0 is the genesis document's."""

    version: int
    height: int
    before: int


# -- reading ------------------------------------------------------------------------------------------


def current_validators(state: Readable) -> tuple[ValidatorEntry, ...]:
    """Return the newest set, sorted by key."""
    stored = state.get(VALIDATORS_KEY, ValidatorList)
    if stored is None:
        raise InvariantBroken("the state holds no validators")
    return stored.validators


def current_nodes(state: Readable) -> tuple[bytes, ...]:
    """Return the keys of the permitted full nodes, sorted."""
    stored = state.get(NODES_KEY, NodeList)
    return () if stored is None else stored.nodes


def current_params(state: Readable) -> Params:
    """Return the parameters that hold from the next height on."""
    params = state.get(PARAMS_KEY, Params)
    if params is None:
        raise InvariantBroken("the state holds no parameters")
    return params


def validators_deciding(state: Readable, height: int) -> tuple[ValidatorEntry, ...]:
    """Return the set that decides `height`, which is at most two above the state's own height."""
    place = changes_before(state, height)
    return current_validators(state) if place == 0 else membership_change(state, place - 1).validators


def change_count(state: Readable) -> int:
    """Return how many entries the history of sets has; 0 where the set has never changed."""
    return state.get(CHANGES_KEY, int) or 0


def membership_change(state: Readable, place: int) -> MembershipChange:
    """Return one entry of the history of sets."""
    found = state.get(f"{CHANGES_KEY}/{place}", MembershipChange)
    if found is None:
        raise InvariantBroken(f"the membership has no entry {place}")
    return found


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
    scheduled = state.get(VERSION_KEY, ProtocolVersion)
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
            ctx.delete(validator_record_key(entry.public_key))
    ctx.put(VALIDATORS_KEY, ValidatorList(entries))
    _record_change(ctx, before, entries)


def _record_change(ctx: Writable, before: tuple[ValidatorEntry, ...], entries: tuple[ValidatorEntry, ...]) -> None:
    """Append a set to the history. All changes in one block are one: no height decides by what was in between."""
    count = change_count(ctx)
    if count == 0:
        ctx.put(f"{CHANGES_KEY}/0", MembershipChange(0, before))
        count = 1
    changed_before = membership_change(ctx, count - 1).height == ctx.height
    place = count - 1 if changed_before else count
    if changed_before and membership_change(ctx, place - 1).validators == entries:
        # Changed and changed back: no header will announce it, so nobody must look for one.
        ctx.delete(f"{CHANGES_KEY}/{place}")
        ctx.put(CHANGES_KEY, place)
        return
    ctx.put(f"{CHANGES_KEY}/{place}", MembershipChange(ctx.height, entries))
    ctx.put(CHANGES_KEY, place + 1)


def change_nodes(ctx: Writable, nodes: Iterable[bytes]) -> None:
    """Replace the list of permitted full nodes."""
    ctx.put(NODES_KEY, NodeList(tuple(sorted(nodes))))


def change_params(ctx: Writable, params: Params) -> None:
    """Replace the parameters, from the next height on."""
    ctx.put(PARAMS_KEY, params)


def schedule_version(ctx: Writable, version: int, height: int) -> None:
    """Let blocks from `height` on carry `version`; replaces a schedule whose height has not come yet."""
    before = version_at(ctx, ctx.height + 1, 0)
    ctx.put(VERSION_KEY, ProtocolVersion(version, height, before))
