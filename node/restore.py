"""From a backup to a node's data folder, verified from the genesis document: nothing in the file is trusted.

What is checked, in this order:

1. The file is whole, and of the chain of this genesis document.
2. The state root, recomputed from all values, is that of the head; at height 0 it is genesis' own.
3. The validator sets lead from the genesis set to the head's: each change is announced by a header that a quorum of
   the set before has sealed.
4. Every height's certificate holds a quorum of valid seals of the set that decided it, over its digest and roots.
   The headers are a chain of hashes down from the head. Each kept block's transactions are those of its header, its
   receipts those of the certificate that the next block embeds, and its transactions are found by their ids.

Indexes by account, brand and call, and past states, are taken as they are: the file's checksum covers them, and
a past state's proof is verified against its root before it is handed out. One thing no backup can prove: that the
validator has signed nothing since. So a restored validator recovers (docs/operations-recovery.md).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from consensus.types import (
    Certificate,
    Header,
    Validator,
    ValidatorSet,
    certificate_hash,
    decode_block,
    decode_certificate,
    header_digest,
)
from consensus.verification import Verifier
from genesis.document import Genesis
from genesis.protocol import build_runtime
from node.backup import BackupError, BackupReader, Manifest
from node.store import Head, Store, StoreError, StoreOptions, write_database
from node.store.store import depth_of
from node.write_ahead_log import WriteAheadLog
from vm.membership import changes_before, membership_change
from vm.primitives import merkle
from vm.primitives.codec import CodecError, TypedDecoder
from vm.state_tree import StateTree
from vm.transaction import TransactionError, parse_transaction

VALUES_AT_ONCE: Final = 20_000
_headers = TypedDecoder(Header)


def restore_backup(file: Path, home: Path, genesis: Genesis) -> Manifest:
    """Restore a backup into <home>/data, which must not exist, and let the validator recover.

    Raises:
        BackupError: the file is damaged, or what it holds does not follow from the genesis document.
        StoreError, WriteAheadLogError, OSError: the disk refuses.
    """
    data = home / "data"
    if data.exists():
        raise BackupError(f"{data} exists already: move it away first")
    beside = home / "data.restoring"
    shutil.rmtree(beside, ignore_errors=True)
    reader = BackupReader(file)
    try:
        manifest = reader.manifest
        if manifest.genesis != genesis.digest:
            raise BackupError(f"{file} is of {manifest.chain}, not of {genesis.chain}")
        home.mkdir(parents=True, exist_ok=True)
        write_database(beside, reader.entries())
        store = _open(beside)
        try:
            verify_store(store, genesis, manifest)
        finally:
            store.close()
        _mark_recovering(home / "wal", max(manifest.signed, manifest.height + 1))
        os.rename(beside, data)
    finally:
        reader.close()
        shutil.rmtree(beside, ignore_errors=True)
    return manifest


def _open(path: Path) -> Store:
    try:
        store = Store.open(path, StoreOptions(state_history_blocks=None))
    except StoreError as error:
        raise BackupError(f"the backup's database cannot be used: {error}") from None
    if not store.is_initialised:
        store.close()
        raise BackupError("the backup holds no chain")
    return store


def _mark_recovering(folder: Path, floor: int) -> None:
    wal = WriteAheadLog(folder)
    wal.begin_recovery(floor)
    wal.close()


def verify_store(store: Store, genesis: Genesis, manifest: Manifest) -> None:
    """Verify everything that follows from the genesis document; the module's docstring lists it.

    Raises:
        BackupError: something does not.
    """
    head = store.head
    _require(store.genesis_bytes == genesis.canonical, "it holds another genesis document")
    _require((head.height, head.digest) == (manifest.height, manifest.digest), "its head is not what it says")
    try:
        _verify_state(store, genesis)
        if head.height > 0:
            certificates = _verify_head(store, genesis)
            _verify_blocks(store, genesis, certificates)
    except (StoreError, CodecError, TransactionError) as error:
        raise BackupError(f"the backup cannot be used: {error}") from None


def _require(condition: bool, complaint: str) -> None:
    if not condition:
        raise BackupError(f"the backup cannot be used: {complaint}")


def _verify_state(store: Store, genesis: Genesis) -> None:
    if store.head.height == 0:
        changes = genesis.state_changes(build_runtime())
        root = StateTree(depth_of(store.bucket_count), {}).update(changes).root
        _require(root == store.head.state_root, "its state is not that of the genesis document")
    _require(_state_root(store) == store.head.state_root, "its values do not give the head's state root")


def _state_root(store: Store) -> bytes:
    """Return the root over all values, computed afresh."""
    tree = StateTree(depth_of(store.bucket_count), {})
    chunk: dict[str, bytes] = {}
    for key, value in store.state_values():
        chunk[key] = value
        if len(chunk) >= VALUES_AT_ONCE:
            tree.apply(tree.update(chunk))
            chunk = {}
    tree.apply(tree.update(chunk))
    return tree.root


class _Certificates:
    """Judges the certificates of all heights, by the set that decided each."""

    def __init__(self, chain: str, validators: ValidatorSet) -> None:
        self._verifier = Verifier(chain)
        self._sets = [(1, validators)]

    def announced(self, height: int, validators: ValidatorSet) -> None:
        """The header of `height` announces another set, which decides from the next height on."""
        self._sets.append((height + 1, validators))

    def prove(self, certificate: Certificate, head: Head) -> bool:
        """Tell whether a quorum has sealed what a height led to."""
        validators = next(entry for first, entry in reversed(self._sets) if first <= head.height)
        said = (certificate.height, certificate.digest, certificate.state_root, certificate.receipts_root)
        known = (head.height, head.digest, head.state_root, head.receipts_root)
        return said == known and self._verifier.certificate_is_valid(certificate, validators)


def _verify_head(store: Store, genesis: Genesis) -> _Certificates:
    verifier = Verifier(genesis.chain)
    head = store.head
    validators = ValidatorSet(Validator(entry.public_key, entry.brand) for entry in genesis.validators)
    certificates = _Certificates(genesis.chain, validators)
    for place in range(1, changes_before(store.reader, head.height)):
        change = membership_change(store.reader, place)
        height = change.height + 1
        header, certificate = _header(store, height), _certificate(store, height)
        announced = ValidatorSet(Validator(entry.public_key, entry.brand) for entry in change.validators)
        _require(
            verifier.certificate_is_valid(certificate, validators)
            and certificate.digest == header_digest(header)
            and header.next_validators_hash == announced.hash,
            f"the change of validators announced at height {height} is not certified",
        )
        validators = announced
        certificates.announced(height, validators)
    return certificates


def _verify_blocks(store: Store, genesis: Genesis, certificates: _Certificates) -> None:
    expected = store.head.digest
    receipts_root: bytes | None = None
    for height in range(store.head.height, 0, -1):
        known = store.head_at(height)
        header = _header_if_kept(store, height)
        if header is None and height < store.oldest_block:
            return  # the chain came by snapshot: below it nothing is known, and nothing is claimed
        _require(
            header is not None
            and known is not None
            and header_digest(header) == expected == known.digest
            and header.height == height,
            f"block {height} is not the one that the next block names",
        )
        assert header is not None
        assert known is not None
        _require(
            certificates.prove(_certificate(store, height), known),
            f"height {height} is not certified by the validators",
        )
        if height >= store.oldest_block:
            receipts_root = _verify_body(store, height, header, receipts_root)
        expected = header.parent
    _require(expected == genesis.digest, "its first block does not follow the genesis document")


def _verify_body(store: Store, height: int, header: Header, embedded: bytes | None) -> bytes:
    """Verify what a block holds; return the receipts root of its parent, from the certificate that it embeds.

    Args:
        embedded: this block's receipts root, from the next block; None at the head.
    """
    data = store.block_bytes(height)
    _require(data is not None, f"block {height} is missing")
    assert data is not None
    block = decode_block(data)
    transactions = [parse_transaction(raw) for raw in block.transactions]
    _require(
        block.header == header
        and header.tx_count == len(transactions)
        and header.tx_root == merkle.root([tx.hash for tx in transactions])
        and header.parent_commit == certificate_hash(block.parent_certificate),
        f"block {height} does not hold what its header says",
    )
    root = _certificate(store, height).receipts_root if embedded is None else embedded
    _require(merkle.root(store.receipts(height)) == root, f"the receipts of block {height} are not those certified")
    for index, tx in enumerate(transactions):
        _require(store.find_transaction(tx.id) == (height, index), f"transaction {tx.id.hex()} cannot be found")
    certificate = block.parent_certificate
    return b"" if certificate is None else certificate.receipts_root


def _header(store: Store, height: int) -> Header:
    header = _header_if_kept(store, height)
    _require(header is not None, f"the header of height {height} is missing")
    assert header is not None
    return header


def _header_if_kept(store: Store, height: int) -> Header | None:
    pruned = store.pruned_header(height)
    if pruned is not None:
        return _headers.decode(pruned)
    data = store.block_bytes(height)
    return None if data is None else decode_block(data).header


def _certificate(store: Store, height: int) -> Certificate:
    data = store.certificate_bytes(height)
    _require(data is not None, f"the certificate of height {height} is missing")
    assert data is not None
    return decode_certificate(data)
