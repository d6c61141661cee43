"""A backup restores to the same chain, and a damaged or forged one is refused."""

from __future__ import annotations

import asyncio
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from consensus.types import Roots, decode_block, decode_certificate
from node.chain.feed import BlockFeed
from node.chain.ledger import Ledger
from node.chain.pruning import Pruner
from node.maintenance.backup import BackupError, BackupReader, frames, write_file
from node.maintenance.restore import restore_backup
from node.store import Store, StoreOptions
from node.store.layout import (
    BLOCK,
    CERTIFICATE,
    CHANGED_KEYS,
    DERIVED,
    FOREIGN_ID,
    GENESIS_KEY,
    HEADER,
    LOG_MARK_KEY,
    PART_UNDO,
    PRIMARY,
    RECEIPTS,
    REPLAY_IDS,
    ROOT_CHANGES,
    ROOT_SLICE,
    SNAPSHOT,
    STATE,
    TRANSACTION,
    at_height,
)
from node.votes.write_ahead_log import WriteAheadLog
from tests.support.ledger import LocalChain, address_of, local_genesis, program_op
from vm.primitives.codec import encode

pytestmark = pytest.mark.usefixtures("each_engine")

OPS = [program_op("miles", "aurora")]


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[LocalChain]:
    """Six blocks with transactions."""
    chain = LocalChain(tmp_path / "source", OPS)
    issue = {"program": "miles", "to": address_of("aurora-admin"), "amount": 1_000, "ref": "float"}
    chain.commit([chain.sign("aurora-admin", [("token.issue", issue)])])
    for _ in range(5):
        transfer = ("token.transfer", {"program": "miles", "to": address_of("bea"), "amount": 3})
        chain.commit([chain.sign("aurora-admin", [transfer])])
    yield chain
    chain.close()


def backup_of(chain: LocalChain, file: Path, signed: int = 0) -> Path:
    write_file(file, frames(chain.store, chain.genesis.chain, signed))
    return file


def everything(store: Store) -> list[tuple[bytes, bytes]]:
    with store.snapshot() as entries:
        return list(entries)


def comparable(store: Store) -> list[tuple[bytes, bytes]]:
    """All records but those of bucket roots, which may be split otherwise, of the log, and of offered snapshots."""
    return [
        (k, v)
        for k, v in everything(store)
        if k[:1] not in (ROOT_SLICE, ROOT_CHANGES, SNAPSHOT) and k != LOG_MARK_KEY
    ]


def test_what_is_restored_is_the_same_to_the_byte_and_recovers(chain: LocalChain, tmp_path: Path) -> None:
    file = backup_of(chain, tmp_path / "backup", signed=11)
    manifest = restore_backup(file, tmp_path / "home", chain.genesis)
    assert (manifest.chain, manifest.height) == (chain.genesis.chain, 6)
    store = Store.open(tmp_path / "home" / "data")
    assert comparable(store) == comparable(chain.store)
    assert store.tree.bucket_roots == chain.store.tree.bucket_roots
    mark = store.log_mark
    store.close()
    wal = WriteAheadLog(tmp_path / "home" / "wal")
    assert (wal.recovering, wal.highest, wal.mark) == (True, 11, mark)
    wal.close()


def test_it_shows_one_moment_whatever_is_committed_meanwhile(chain: LocalChain, tmp_path: Path) -> None:
    before = everything(chain.store)
    pieces = frames(chain.store, chain.genesis.chain, 0)
    first = [next(pieces), next(pieces)]
    for _ in range(3):
        chain.commit()
    write_file(tmp_path / "backup", [*first, *pieces])
    reader = BackupReader(tmp_path / "backup")
    held = [entry for entries in reader.entries() for entry in entries]
    assert held == [entry for entry in before if entry[0][:1] in PRIMARY]
    reader.close()
    assert restore_backup(tmp_path / "backup", tmp_path / "home", chain.genesis).height == 6


def test_a_chain_at_genesis_and_a_pruned_one_can_be_restored(chain: LocalChain, tmp_path: Path) -> None:
    fresh = LocalChain(tmp_path / "fresh", OPS)
    assert restore_backup(backup_of(fresh, tmp_path / "b0"), tmp_path / "h0", fresh.genesis).height == 0
    wal = WriteAheadLog(tmp_path / "h0" / "wal")
    assert wal.floor == 1, "a file that knows of no vote may have been made in the midst of the next height"
    wal.close()
    fresh.close()
    chain.commit(time=chain.ledger.head_time + 60_000)
    pruner = Pruner(chain.ledger, BlockFeed(chain.store), 2)
    while asyncio.run(pruner.prune_one()):
        pass
    assert chain.store.oldest_block == 6
    restore_backup(backup_of(chain, tmp_path / "b1"), tmp_path / "h1", chain.genesis)
    store = Store.open(tmp_path / "h1" / "data", StoreOptions())
    assert Ledger(chain.genesis, chain.runtime, store, None).height == 7
    store.close()


def test_every_damage_is_found(chain: LocalChain, tmp_path: Path) -> None:
    good = backup_of(chain, tmp_path / "backup").read_bytes()
    bad = tmp_path / "bad"
    for place in range(0, len(good), max(1, len(good) // 200)):
        bad.write_bytes(good[:place] + bytes([good[place] ^ 8]) + good[place + 1 :])
        with pytest.raises(BackupError):
            restore_backup(bad, tmp_path / "home", chain.genesis)
        bad.write_bytes(good[:place])
        with pytest.raises(BackupError):
            restore_backup(bad, tmp_path / "home", chain.genesis)
    bad.write_bytes(good + b"more")
    with pytest.raises(BackupError):
        restore_backup(bad, tmp_path / "home", chain.genesis)
    assert not (tmp_path / "home" / "data").exists()
    assert not (tmp_path / "home" / "data.restoring").exists()


def test_an_interrupted_writing_leaves_no_file(chain: LocalChain, tmp_path: Path) -> None:
    pieces = list(frames(chain.store, chain.genesis.chain, 0))
    with pytest.raises(BackupError, match="its end is missing"):
        write_file(tmp_path / "backup", pieces[:-1])
    assert list(tmp_path.glob("backup*")) == []


def test_another_chain_and_an_occupied_home_are_refused(chain: LocalChain, tmp_path: Path) -> None:
    file = backup_of(chain, tmp_path / "backup")
    with pytest.raises(BackupError, match="not of local-"):
        restore_backup(file, tmp_path / "home", local_genesis())
    restore_backup(file, tmp_path / "home", chain.genesis)
    with pytest.raises(BackupError, match="exists already"):
        restore_backup(file, tmp_path / "home", chain.genesis)


Forgery = Callable[[dict[bytes, bytes]], None]


def forge_value(entries: dict[bytes, bytes]) -> None:
    key = next(key for key, record in entries.items() if key.startswith(STATE) and b"token/" in record)
    entries[key] = entries[key][:-1] + bytes([entries[key][-1] ^ 1])


def drop_value(entries: dict[bytes, bytes]) -> None:
    del entries[next(key for key in entries if key.startswith(STATE))]


def forge_seal(entries: dict[bytes, bytes]) -> None:
    key = at_height(CERTIFICATE, 6)
    certificate = decode_certificate(entries[key])
    seals = tuple(seal if seal.index else type(seal)(0, bytes(64)) for seal in certificate.seals)
    entries[key] = encode(type(certificate)(*certificate_fields(certificate)[:-1], seals))


def too_few_seals(entries: dict[bytes, bytes]) -> None:
    key = at_height(CERTIFICATE, 6)
    certificate = decode_certificate(entries[key])
    entries[key] = encode(type(certificate)(*certificate_fields(certificate)[:-1], certificate.seals[:2]))


def certificate_fields(certificate: object) -> list[object]:
    return [getattr(certificate, name) for name in certificate.__struct_fields__]  # type: ignore[attr-defined]


def forge_body(entries: dict[bytes, bytes]) -> None:
    first, second = (decode_block(entries[at_height(BLOCK, height)]) for height in (3, 4))
    entries[at_height(BLOCK, 3)] = encode(type(first)(first.header, first.parent_certificate, second.transactions))


def forge_receipts(entries: dict[bytes, bytes]) -> None:
    entries[at_height(b"r", 3)] = entries[at_height(b"r", 4)]


def drop_block(entries: dict[bytes, bytes]) -> None:
    del entries[at_height(BLOCK, 3)]


def forge_past_seal(entries: dict[bytes, bytes]) -> None:
    """Peers that sync from us would take us for a liar."""
    entries[at_height(CERTIFICATE, 3)] = entries[at_height(CERTIFICATE, 3)][:-1] + b"!"


def drop_past_certificate(entries: dict[bytes, bytes]) -> None:
    del entries[at_height(CERTIFICATE, 2)]


@pytest.mark.parametrize(
    "forgery",
    [
        forge_value,
        drop_value,
        forge_seal,
        too_few_seals,
        forge_body,
        forge_receipts,
        drop_block,
        forge_past_seal,
        drop_past_certificate,
    ],
)
def test_a_forged_backup_with_good_checksums_is_refused(
    chain: LocalChain, tmp_path: Path, forgery: Forgery, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = dict(everything(chain.store))
    forgery(entries)
    with monkeypatch.context() as patch:
        patch.setattr(chain.store, "snapshot", lambda: _Entries(entries))
        file = backup_of(chain, tmp_path / "backup")
    with pytest.raises(BackupError, match="cannot be used"):
        restore_backup(file, tmp_path / "home", chain.genesis)
    assert not (tmp_path / "home" / "data").exists()


def drop_height(entries: dict[bytes, bytes], chain: LocalChain) -> None:
    for family in (BLOCK, CERTIFICATE, RECEIPTS):
        del entries[at_height(family, 3)]


def make_a_hole(entries: dict[bytes, bytes], chain: LocalChain) -> None:
    """As if block 3 had been pruned, above blocks that are kept."""
    entries[at_height(HEADER, 3)] = encode(decode_block(entries.pop(at_height(BLOCK, 3))).header)
    del entries[at_height(RECEIPTS, 3)]


def seal_another_block(entries: dict[bytes, bytes], chain: LocalChain) -> None:
    """The validators have lost their keys; yet the chain is the one that the blocks above belong to."""
    block, certificate = (
        decode_block(entries[at_height(BLOCK, 3)]),
        decode_certificate(entries[at_height(CERTIFICATE, 3)]),
    )
    header = msgspec.structs.replace(block.header, time=block.header.time + 1)
    entries[at_height(BLOCK, 3)] = encode(msgspec.structs.replace(block, header=header))
    entries[at_height(CERTIFICATE, 3)] = encode(chain._certificate(header, certificate.roots))


def seal_another_state(entries: dict[bytes, bytes], chain: LocalChain) -> None:
    header = decode_block(entries[at_height(BLOCK, 3)]).header
    receipts_root = decode_certificate(entries[at_height(CERTIFICATE, 3)]).receipts_root
    entries[at_height(CERTIFICATE, 3)] = encode(chain._certificate(header, Roots(bytes(32), receipts_root)))


def forge_genesis(entries: dict[bytes, bytes], chain: LocalChain) -> None:
    entries[GENESIS_KEY] = local_genesis().canonical


@pytest.mark.parametrize(
    ("forgery", "complaint"),
    [
        (drop_height, "heights 3 to 3 are missing"),
        (make_a_hole, "block 3 is missing"),
        (seal_another_block, "block 4 does not follow the block before it"),
        (seal_another_state, "block 4 does not follow the block before it"),
        (forge_genesis, "it holds another genesis document"),
    ],
)
def test_what_certificates_alone_do_not_show_is_refused_in_its_own_words(
    chain: LocalChain,
    tmp_path: Path,
    forgery: Callable[[dict[bytes, bytes], LocalChain], None],
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries = dict(everything(chain.store))
    forgery(entries, chain)
    with pytest.raises(BackupError, match=f"cannot be used: {complaint}"):
        restore_backup(file_of(chain, tmp_path / "f", entries, monkeypatch), tmp_path / "h", chain.genesis)


def test_a_pruned_chain_that_lacks_a_header_is_not_taken_for_one_that_begins_with_a_snapshot(
    chain: LocalChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain.commit(time=chain.ledger.head_time + 60_000)
    pruner = Pruner(chain.ledger, BlockFeed(chain.store), 2)
    while asyncio.run(pruner.prune_one()):
        pass
    entries = dict(everything(chain.store))
    for family in (HEADER, CERTIFICATE):
        del entries[at_height(family, 3)]
    with pytest.raises(BackupError, match="heights 3 to 3 are missing"):
        restore_backup(file_of(chain, tmp_path / "f", entries, monkeypatch), tmp_path / "h", chain.genesis)


def test_a_restored_store_has_its_name_for_good(
    chain: LocalChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads that it is restored may delete the backup."""
    file = backup_of(chain, tmp_path / "backup")
    done: list[str | int] = []
    fsync, rename = os.fsync, os.rename

    def synced(descriptor: int) -> None:
        done.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def renamed(source: Path, target: Path) -> None:
        done.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)
    restore_backup(file, tmp_path / "home", chain.genesis)
    assert done[-2:] == ["rename", (tmp_path / "home").stat().st_ino]


def file_of(chain: LocalChain, file: Path, entries: dict[bytes, bytes], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a backup of these entries, of every family."""
    with monkeypatch.context() as patch:
        patch.setattr(chain.store, "snapshot", lambda: _Entries(entries))
        patch.setattr("node.maintenance.backup.PRIMARY", {key[:1] for key in entries})
        return backup_of(chain, file)


def restored(file: Path, home: Path, chain: LocalChain) -> list[tuple[bytes, bytes]]:
    restore_backup(file, home, chain.genesis)
    store = Store.open(home / "data")
    found = everything(store)
    store.close()
    return [entry for entry in found if entry[0] != LOG_MARK_KEY]


EXTRA = {family: family + b"\x01" * 32 for family in DERIVED}


@pytest.mark.parametrize("family", sorted(DERIVED))
@pytest.mark.parametrize("how", ["added", "missing", "altered"])
def test_derived_records_are_made_afresh_whatever_the_file_says(
    chain: LocalChain, tmp_path: Path, family: bytes, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = restored(backup_of(chain, tmp_path / "honest"), tmp_path / "one", chain)
    entries = dict(everything(chain.store))
    if how == "added":
        entries[EXTRA[family]] = bytes(12)
    for key in [key for key in entries if key[:1] == family]:
        if how == "missing":
            del entries[key]
        elif how == "altered":
            entries[key] = bytes([entries[key][0] ^ 1]) + entries[key][1:]
    file = file_of(chain, tmp_path / "forged", entries, monkeypatch)
    assert restored(file, tmp_path / "two", chain) == honest


@pytest.mark.parametrize("family", sorted(PRIMARY - {b"m", b"e"}))
@pytest.mark.parametrize("how", ["missing", "altered"])
def test_primary_records_must_be_those_of_the_chain(
    chain: LocalChain, tmp_path: Path, family: bytes, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = dict(everything(chain.store))
    key = next(key for key in entries if key[:1] == family)
    if how == "missing":
        del entries[key]
    else:
        # The hashes at the end of a history record are computed, so that one is altered in a key.
        at = 10 if family == PART_UNDO else len(entries[key]) - 1
        entries[key] = entries[key][:at] + bytes([entries[key][at] ^ 1]) + entries[key][at + 1 :]
    with pytest.raises(BackupError, match="cannot be used"):
        restore_backup(file_of(chain, tmp_path / "f", entries, monkeypatch), tmp_path / "h", chain.genesis)
    assert not (tmp_path / "h" / "data").exists()


@pytest.mark.parametrize(
    "key",
    [at_height(family, height) for family in (BLOCK, CERTIFICATE, b"r", b"e") for height in (0, 7)]
    + [STATE + bytes(32), b"mother", b"z", b"a" * 33],
)
def test_an_added_record_that_belongs_to_nothing_is_refused(
    chain: LocalChain, tmp_path: Path, key: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = {**dict(everything(chain.store)), key: bytes(12)}
    with pytest.raises(BackupError, match="cannot be used"):
        restore_backup(file_of(chain, tmp_path / "f", entries, monkeypatch), tmp_path / "h", chain.genesis)


@pytest.mark.parametrize("family", [PART_UNDO, CHANGED_KEYS, REPLAY_IDS])
def test_added_history_and_ids_of_no_block_are_left_out(
    chain: LocalChain, tmp_path: Path, family: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = restored(backup_of(chain, tmp_path / "honest"), tmp_path / "one", chain)
    key = family + bytes({PART_UNDO: 9, CHANGED_KEYS: 8, REPLAY_IDS: 16}[family])
    entries = {**dict(everything(chain.store)), key: bytes(32)}
    assert restored(file_of(chain, tmp_path / "forged", entries, monkeypatch), tmp_path / "two", chain) == honest


def test_a_planted_transaction_is_not_found_in_the_restored_store(
    chain: LocalChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = bytes(range(32))
    entries = dict(everything(chain.store))
    entries[TRANSACTION + planted] = next(v for k, v in entries.items() if k[:1] == TRANSACTION)
    entries[FOREIGN_ID + planted] = bytes(8)
    restore_backup(file_of(chain, tmp_path / "f", entries, monkeypatch), tmp_path / "h", chain.genesis)
    store = Store.open(tmp_path / "h" / "data")
    assert not store.contains_transaction(planted)
    store.close()


@pytest.mark.parametrize("as_manifest", [False, True])
def test_a_frame_that_inflates_without_end_is_refused(chain: LocalChain, tmp_path: Path, as_manifest: bool) -> None:
    pieces = list(frames(chain.store, chain.genesis.chain, 0))
    packer = zlib.compressobj(9)
    bomb = b"".join([packer.compress(bytes(1 << 20)) for _ in range(80)]) + packer.flush()
    frame = struct.pack(">II", len(bomb), zlib.crc32(bomb)) + bomb
    file = tmp_path / "bomb"
    file.write_bytes(pieces[0] + frame if as_manifest else pieces[0] + pieces[1] + frame)
    with pytest.raises(BackupError, match=r"bomb cannot be used: its frame at byte \d+ .* than \d+ bytes"):
        restore_backup(file, tmp_path / "home", chain.genesis)
    assert not (tmp_path / "home" / "data.restoring").exists()


def test_a_disk_without_its_reserve_stops_the_restore(chain: LocalChain, tmp_path: Path) -> None:
    file = backup_of(chain, tmp_path / "backup")
    with pytest.raises(BackupError, match="MiB for"):
        restore_backup(file, tmp_path / "home", chain.genesis, free_mib=1 << 40)
    assert not (tmp_path / "home" / "data.restoring").exists()


class _Entries:
    """A snapshot of what the test says."""

    def __init__(self, entries: dict[bytes, bytes]) -> None:
        self._entries = entries

    def __enter__(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(sorted(self._entries.items()))

    def __exit__(self, *_: object) -> None: ...


def test_frames_are_compressed(chain: LocalChain, tmp_path: Path) -> None:
    pieces = list(frames(chain.store, chain.genesis.chain, 0))
    assert zlib.decompress(pieces[1][8:]).startswith(b"\x86")
