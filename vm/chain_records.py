"""Records that the chain keeps about itself in the state, and the system step that maintains them.

chain/params               Params, in force from the next height
chain/validators           the set that decides the height after next (SPEC section 3, Membership)
chain/membership[/<n>]     how often the set has changed, and each set with its height (vm.membership)
chain/nodes                keys of permitted full nodes
chain/version              ProtocolVersion, once an upgrade has been scheduled
chain/validator/<key hex>  ValidatorRecord: last embedded seal, last skip
chain/replay/<slot>        ReplaySlot: count and running hash of the ids that expire in the slot
chain/allowance/<address>, chain/brand-allowance/<brand>    vm.allowance.Allowance
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256 as _sha256

import msgspec

from vm.params import MAX_REPLAY_SLOTS, Params
from vm.primitives.hashing import ZERO_HASH
from vm.state_view import BlockOverlay
from vm.transaction import Transaction

VALIDATORS_KEY = "chain/validators"
NODES_KEY = "chain/nodes"


class ValidatorEntry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One validator: its public key (32 bytes) and its brand's slug."""

    public_key: bytes
    brand: str


class ValidatorList(msgspec.Struct, frozen=True):
    """The validator set, sorted by key."""

    validators: tuple[ValidatorEntry, ...]


class NodeList(msgspec.Struct, frozen=True):
    """Public keys of the permitted full nodes, sorted."""

    nodes: tuple[bytes, ...]


class ValidatorRecord(msgspec.Struct, frozen=True, gc=False):
    """Heights of a validator's last embedded seal and last skip; 0 for never."""

    seal: int
    skip: int


class ReplaySlot(msgspec.Struct, frozen=True, gc=False):
    """How many committed transactions expire in a slot, and SHA-256 over their ids one after the other."""

    count: int
    hash: bytes


def validator_record_key(public_key: bytes) -> str:
    """Return the state key of a validator's seal record."""
    return f"chain/validator/{public_key.hex()}"


def replay_slot_key(slot: int) -> str:
    """Return the state key of a replay slot."""
    return f"chain/replay/{slot}"


def record_proposer_order(
    overlay: BlockOverlay, height: int, sealed: Iterable[bytes], skipped: Iterable[bytes]
) -> None:
    """Note whose seals the parent certificate embeds, and who stood before this block's proposer.

    A validator that is leaving still seals and is skipped for two heights; its record went with it and stays away.
    """
    stored = overlay.get(VALIDATORS_KEY, ValidatorList)
    members = frozenset(entry.public_key for entry in stored.validators) if stored is not None else frozenset()
    for public_key in sealed:
        if public_key in members:
            record = _validator_record(overlay, public_key)
            overlay.put(validator_record_key(public_key), ValidatorRecord(height - 1, record.skip))
    for public_key in skipped:
        if public_key in members:
            record = _validator_record(overlay, public_key)
            overlay.put(validator_record_key(public_key), ValidatorRecord(record.seal, height))


def _validator_record(overlay: BlockOverlay, public_key: bytes) -> ValidatorRecord:
    return overlay.get(validator_record_key(public_key), ValidatorRecord) or ValidatorRecord(0, 0)


def prune_replay_slots(overlay: BlockOverlay, params: Params, parent_time: int, time: int) -> None:
    """Drop the slots whose last transaction has expired by now.

    No transaction expires more than MAX_REPLAY_SLOTS slots after its block, whatever max_tx_ttl_ms was then: so far
    ahead of the parent there may be slots, also where the parameter has been lowered since.
    """
    first = parent_time // params.replay_slot_ms
    for slot in range(first, min(time // params.replay_slot_ms, first + MAX_REPLAY_SLOTS + 2)):
        key = replay_slot_key(slot)
        if overlay.get(key, ReplaySlot) is not None:
            overlay.put(key, None)


def record_replay_slots(overlay: BlockOverlay, params: Params, transactions: Sequence[Transaction]) -> None:
    """Add a block's transactions, failed ones too, to the slots in which they expire."""
    ids_by_slot: dict[int, list[bytes]] = {}
    for tx in transactions:
        ids_by_slot.setdefault(tx.body.expires // params.replay_slot_ms, []).append(tx.id)
    for slot, ids in sorted(ids_by_slot.items()):
        key = replay_slot_key(slot)
        record = overlay.get(key, ReplaySlot) or ReplaySlot(0, ZERO_HASH)
        running = record.hash
        for tx_id in ids:
            running = _sha256(running + tx_id).digest()
        overlay.put(key, ReplaySlot(record.count + len(ids), running))
