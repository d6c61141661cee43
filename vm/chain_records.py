"""Records that the chain keeps about itself in the state, and the system step that maintains them.

Their keys and types are the declarations below; `docs/state-layout.md` lists them. The parameters are in
`vm.params`, the history of validator sets in `vm.membership`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256 as _sha256
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from vm.arguments.types import Count, Slug
from vm.params import MAX_REPLAY_SLOTS, Params
from vm.primitives.hashing import HASH_BYTES, ZERO_HASH
from vm.primitives.keys import PUBLIC_KEY_BYTES
from vm.state_view import BlockOverlay
from vm.tables.parts import HEX, NUMBER
from vm.tables.table import Table
from vm.transaction import Transaction

MAX_VALIDATORS: Final = 256
"""As `consensus.types` has it: one byte is enough for an index."""

MAX_NODES: Final = 4_096
"""Permitted full nodes: the list is one value, read at each change."""

KeyBytes = Annotated[bytes, Meta(min_length=PUBLIC_KEY_BYTES, max_length=PUBLIC_KEY_BYTES)]
HashBytes = Annotated[bytes, Meta(min_length=HASH_BYTES, max_length=HASH_BYTES)]


class ValidatorEntry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One validator: its public key (32 bytes) and its brand's slug."""

    public_key: KeyBytes
    brand: Slug


ValidatorEntries = Annotated[tuple[ValidatorEntry, ...], Meta(max_length=MAX_VALIDATORS)]


class ValidatorList(msgspec.Struct, frozen=True):
    """The validator set, sorted by key."""

    validators: ValidatorEntries


class NodeList(msgspec.Struct, frozen=True):
    """Public keys of the permitted full nodes, sorted."""

    nodes: Annotated[tuple[KeyBytes, ...], Meta(max_length=MAX_NODES)]


class ValidatorRecord(msgspec.Struct, frozen=True, gc=False):
    """Heights of a validator's last embedded seal and last skip; 0 for never."""

    seal: Count
    skip: Count


class ReplaySlot(msgspec.Struct, frozen=True, gc=False):
    """How many committed transactions expire in a slot, and SHA-256 over their ids one after the other."""

    count: Count
    hash: HashBytes


VALIDATORS: Final[Table[ValidatorList]] = Table(
    "chain/validators", (), ValidatorList, "the set that decides the height after next (SPEC section 3, Membership)"
)
NODES: Final[Table[NodeList]] = Table("chain/nodes", (), NodeList, "keys of permitted full nodes")
VALIDATOR_RECORDS: Final[Table[ValidatorRecord]] = Table(
    "chain/validator", (("key", HEX),), ValidatorRecord, "last embedded seal, last skip; of present validators only"
)
REPLAY_SLOTS: Final[Table[ReplaySlot]] = Table(
    "chain/replay", (("slot", NUMBER),), ReplaySlot, "count and running hash of the ids that expire in the slot"
)


def record_proposer_order(
    overlay: BlockOverlay, height: int, sealed: Iterable[bytes], skipped: Iterable[bytes]
) -> None:
    """Note whose seals the parent certificate embeds, and who stood before this block's proposer.

    A validator that is leaving still seals and is skipped for two heights; its record went with it and stays away.
    """
    stored = VALIDATORS.get(overlay)
    members = frozenset(entry.public_key for entry in stored.validators) if stored is not None else frozenset()
    for public_key in sealed:
        if public_key in members:
            record = _validator_record(overlay, public_key)
            VALIDATOR_RECORDS.put(overlay, ValidatorRecord(height - 1, record.skip), public_key)
    for public_key in skipped:
        if public_key in members:
            record = _validator_record(overlay, public_key)
            VALIDATOR_RECORDS.put(overlay, ValidatorRecord(record.seal, height), public_key)


def _validator_record(overlay: BlockOverlay, public_key: bytes) -> ValidatorRecord:
    return VALIDATOR_RECORDS.get(overlay, public_key) or ValidatorRecord(0, 0)


def prune_replay_slots(overlay: BlockOverlay, params: Params, parent_time: int, time: int) -> None:
    """Drop the slots whose last transaction has expired by now.

    No transaction expires more than MAX_REPLAY_SLOTS slots after its block, whatever max_tx_ttl_ms was then: the
    newest slot is at most so many after the parent's, also where the parameter has been lowered since.
    """
    first = parent_time // params.replay_slot_ms
    for slot in range(first, min(time // params.replay_slot_ms, first + MAX_REPLAY_SLOTS + 1)):
        if REPLAY_SLOTS.get(overlay, slot) is not None:
            REPLAY_SLOTS.delete(overlay, slot)


def record_replay_slots(overlay: BlockOverlay, params: Params, transactions: Sequence[Transaction]) -> None:
    """Add a block's transactions, failed ones too, to the slots in which they expire."""
    ids_by_slot: dict[int, list[bytes]] = {}
    for tx in transactions:
        ids_by_slot.setdefault(tx.body.expires // params.replay_slot_ms, []).append(tx.id)
    for slot, ids in sorted(ids_by_slot.items()):
        record = REPLAY_SLOTS.get(overlay, slot) or ReplaySlot(0, ZERO_HASH)
        running = record.hash
        for tx_id in ids:
            running = _sha256(running + tx_id).digest()
        REPLAY_SLOTS.put(overlay, ReplaySlot(record.count + len(ids), running), slot)
