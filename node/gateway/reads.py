"""What the gateway's methods read from the store: decoded, and answered with faults where something is missing.

One `ChainReads` serves all methods. It keeps the head's header, which every view asks for, and the block and the
receipts that were read last, as batches and pages ask for the same ones again and again. Blocks never change.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeVar

from consensus.types import (
    Block,
    Certificate,
    Header,
    Validator,
    ValidatorSet,
    decode_block,
    decode_certificate,
)
from node.gateway.backend import Backend
from node.gateway.errors import RpcFault, not_found
from node.store import HeightAhead, ProvedRecord, ProvedValue, StatePruned
from vm.chain_records import VALIDATOR_RECORDS, ValidatorEntry, ValidatorRecord
from vm.membership import changes_before, membership_change, validators_deciding
from vm.params import PARAMS, Params
from vm.primitives.codec import TypedDecoder
from vm.receipt import Receipt, decode_receipt
from vm.state_view import StateReader
from vm.tables.stored import Stored

T = TypeVar("T")

PAST_READS_SECONDS: Final = 0.2
"""What searching a past state may take for one call, of a thread that consensus shares."""

LINKS_KEPT: Final = 1_000
"""Some kilobytes each."""

Position = tuple[int, int]
"""Height and index of a transaction."""


_headers = TypedDecoder(Header)


class MembershipLink(NamedTuple):
    """A certified header that announces another set than the one that decided it, and that set."""

    header: Header
    certificate: Certificate
    announced: ValidatorSet


class ChainReads:
    """Blocks, receipts and state of one node, by height, digest, id and key."""

    def __init__(self, backend: Backend) -> None:
        self._store = backend.store
        self.genesis = backend.genesis
        self.backend = backend
        self._last_header: Header | None = None
        self._last_block: Block | None = None
        self._last_receipts: tuple[int, list[bytes]] = (-1, [])
        # Never changed and rarely added to: an alliance changes its membership a few times a year.
        self._links: dict[int, MembershipLink] = {}

    @property
    def height(self) -> int:
        """Height of the head; 0 after genesis."""
        return self._store.head.height

    def head_time(self) -> int:
        """Return the block time of the head, genesis time before the first block."""
        return self.time_of(self.height)

    def time_of(self, height: int) -> int:
        """Return the block time of a height, genesis time of 0; raises as `header`."""
        return self.genesis.document.time if height == 0 else self.header(height).time

    def params(self) -> Params:
        """Return the chain's parameters, as of the head."""
        params = PARAMS.get(self._store.reader)
        if params is None:
            raise LookupError("the state holds no parameters")
        return params

    def block(self, height: int) -> Block:
        """Return a block.

        Raises:
            RpcFault: NOT_FOUND.
        """
        if self._last_block is not None and self._last_block.header.height == height:
            return self._last_block
        data = self._store.block_bytes(height)
        if data is None:
            raise self._no_block(height)
        self._last_block = decode_block(data)
        return self._last_block

    def _no_block(self, height: int) -> RpcFault:
        oldest = self._store.oldest_block
        if 1 <= height < oldest:
            message = f"block {height} is pruned; the oldest kept by this node is {oldest}"
            return RpcFault("BLOCK_PRUNED", message, height=height, oldest=oldest, head=self.height)
        return not_found(f"no block {height}; the head is {self.height}", height=height, head=self.height)

    def require_kept(self, height: int) -> None:
        """Make sure that blocks from a height on are here; those after the head may be none yet.

        Raises:
            RpcFault: BLOCK_PRUNED; NOT_FOUND beyond the height after the head: this node lags, or the caller errs.
        """
        if 1 <= height < self._store.oldest_block or height > self.height + 1:
            raise self._no_block(height)

    @property
    def oldest_block(self) -> int:
        """The first height whose block is kept."""
        return self._store.oldest_block

    def block_named(self, name: int | bytes) -> tuple[Block, bytes]:
        """Return a block by height or digest, with its digest; raises NOT_FOUND."""
        if isinstance(name, bytes):
            height = self._store.height_of_digest(name)
            if not height:  # 0 is genesis, which has a digest and no block
                raise not_found("no block has this digest", digest=name.hex())
            return self.block(height), name
        return self.block(name), self.digest(name)

    def digest(self, height: int) -> bytes:
        """Return a block's digest; raises NOT_FOUND."""
        head = self._store.head_at(height)
        if head is None:
            raise self._no_block(height)
        return head.digest

    def certificate(self, height: int) -> Certificate:
        """Return the certificate of a height; below the head, the one that the next block embeds.

        Raises:
            RpcFault: NOT_FOUND.
        """
        if self._store.oldest_block - 1 <= height < self.height:
            embedded = self.block(height + 1).parent_certificate
            if embedded is not None:
                return embedded
        data = self._store.certificate_bytes(height)
        if data is None:
            message = f"no certificate of height {height}; the head is {self.height}"
            raise not_found(message, height=height, head=self.height)
        return decode_certificate(data)

    def receipts(self, height: int) -> list[bytes]:
        """Return a block's canonical receipts, the system receipt last; raises NOT_FOUND."""
        if self._last_receipts[0] != height:
            receipts = self._store.receipts(height)
            if not receipts and 1 <= height < self._store.oldest_block:
                raise self._no_block(height)
            if not receipts:
                raise not_found(f"no receipts of height {height}", height=height)
            self._last_receipts = (height, receipts)
        return self._last_receipts[1]

    def find(self, tx_id: bytes) -> Position | None:
        """Return where a committed transaction stands."""
        return self._store.find_transaction(tx_id)

    def no_transaction(self, tx_id: bytes, message: str, **data: Any) -> RpcFault:
        """Return why there is no receipt of a transaction here: it stands below the snapshot this node began with,
        or it is not in the chain.
        """
        if self._store.contains_transaction(tx_id):
            oldest = self._store.oldest_block
            message = f"the transaction is below block {oldest}, the oldest kept by this node; ask another node"
            return RpcFault("BLOCK_PRUNED", message, id=tx_id.hex(), oldest=oldest, head=self.height)
        return not_found(message, id=tx_id.hex(), **data)

    def places_of(self, tx_ids: Iterable[bytes]) -> dict[int, dict[bytes, int]]:
        """Return the indexes of those transactions that are committed, by height and id."""
        places: dict[int, dict[bytes, int]] = {}
        for tx_id in tx_ids:
            position = self.find(tx_id)
            if position is not None:
                places.setdefault(position[0], {})[tx_id] = position[1]
        return places

    def receipts_at(self, height: int, indexes: Mapping[bytes, int]) -> dict[bytes, Receipt]:
        """Return the receipts at these indexes of a block, by the ids that lead to them."""
        receipts = self.receipts(height)
        return {tx_id: decode_receipt(receipts[index]) for tx_id, index in indexes.items()}

    def validators(self, height: int) -> ValidatorSet:
        """Return the set that decides a height, at most the head's + 2 (SPEC section 3, Membership)."""
        return _validator_set(validators_deciding(self._store.reader, height))

    def membership_changes(self, height: int) -> list[MembershipLink]:
        """Return what leads from the genesis set to the one that decides a committed height, oldest first.

        A change executed in block e is announced by header e + 1, which the set before seals.
        """
        reader = self._store.reader
        found = []
        for place in range(1, changes_before(reader, height)):
            link = self._links.get(place)
            if link is None:
                change = membership_change(reader, place)
                announcing = change.height + 1
                validators = _validator_set(change.validators)
                link = MembershipLink(self.header(announcing), self.certificate(announcing), validators)
                if len(self._links) >= LINKS_KEPT:
                    self._links.clear()
                self._links[place] = link
            found.append(link)
        return found

    def header(self, height: int) -> Header:
        """Return a block's header; raises NOT_FOUND."""
        last = self._last_header
        if last is not None and last.height == height:
            return last
        pruned = self._store.pruned_header(height) if height < self._store.oldest_block else None
        header = self.block(height).header if pruned is None else _headers.decode(pruned)
        if height == self.height:
            self._last_header = header
        return header

    def state_value(self, key: str, height: int) -> bytes | None:
        """Return the canonical bytes of a state value after a height.

        Raises:
            RpcFault: STATE_PRUNED, NOT_FOUND.
        """
        try:
            return self._store.state_value(key, height)
        except (StatePruned, HeightAhead) as error:
            raise self._unavailable(height, error) from None

    def state_proof(self, key: str, height: int) -> ProvedValue:
        """Return a key's value, or none, after a height, with its proof; raises as `state_value`."""
        try:
            return self._store.state_proof(key, height)
        except (StatePruned, HeightAhead) as error:
            raise self._unavailable(height, error) from None

    def once_record(self, key: str, height: int) -> ProvedRecord | None:
        """Return the once-record of a key as of a height, with its proof, or None; raises as `state_value`."""
        try:
            return self._store.once_record(key, height)
        except (StatePruned, HeightAhead) as error:
            raise self._unavailable(height, error) from None

    def _unavailable(self, height: int, error: Exception) -> RpcFault:
        if isinstance(error, StatePruned):
            return RpcFault("STATE_PRUNED", str(error), height=height, head=self.height)
        return not_found(f"no state of height {height}; the head is {self.height}", height=height, head=self.height)

    def seal_record(self, public_key_hex: str) -> ValidatorRecord:
        """Return a validator's last embedded seal and last skip, as of the head."""
        record = VALIDATOR_RECORDS.get(self._store.reader, bytes.fromhex(public_key_hex))
        return record or ValidatorRecord(0, 0)

    def reader_at(self, height: int) -> StateReader:
        """Return the state after a height for execution, the same also once the head has moved.

        Raises as `state_value`, now or when it is read.
        """
        self.state_value(PARAMS.keys.path, height)
        return _StateAt(self, height)


class _StateAt:
    """The state after a height, decoded value by value.

    As long as that is the head it is read as execution does. Later a value is searched through the records of all
    later blocks, which may take tens of milliseconds on a busy chain. So each is read once, and all together
    may take PAST_READS_SECONDS.
    """

    def __init__(self, reads: ChainReads, height: int) -> None:
        self._reads = reads
        self._height = height
        self._values: dict[str, bytes | None] = {}
        self._left = PAST_READS_SECONDS

    def cell(self, key: str, stored: Stored[T]) -> tuple[T, bytes] | None:
        """Return the value at `key` with its canonical bytes, or None.

        Raises:
            RpcFault: OUT_OF_BUDGET.
        """
        if key not in self._values:
            if self._reads.height == self._height:
                return self._reads.backend.store.reader.cell(key, stored)
            self._values[key] = self._read(key)
        value = self._values[key]
        return None if value is None else (stored.decode(value), value)

    def once(self, key: str, stored: Stored[T]) -> tuple[T, bytes] | None:
        """Return the once-record of `key` with its canonical bytes, or None."""
        if self._reads.height == self._height:
            return self._reads.backend.store.reader.once(key, stored)
        found = self._reads.once_record(key, self._height)
        return None if found is None else (stored.decode(found.record), found.record)

    def charge(self, units: int) -> None:
        """Do nothing: a `Context` meters."""

    def _read(self, key: str) -> bytes | None:
        if self._left <= 0:
            message = f"too many values of height {self._height} are needed; ask for less, or for a later height"
            raise RpcFault("OUT_OF_BUDGET", message, height=self._height)
        begin = time.perf_counter()
        value = self._reads.state_value(key, self._height)
        self._left -= time.perf_counter() - begin
        return value


def _validator_set(entries: Iterable[ValidatorEntry]) -> ValidatorSet:
    return ValidatorSet(Validator(entry.public_key, entry.brand) for entry in entries)
