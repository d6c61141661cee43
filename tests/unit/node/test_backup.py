"""A backup restores to the same chain, and a damaged or forged one is refused."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consensus.types import decode_block, decode_certificate
from node.backup import BackupError, BackupReader, frames, write_file
from node.ledger import Ledger
from node.pruning import Pruner
from node.restore import restore_backup
from node.store import Store, StoreOptions
from node.store.layout import BLOCK, CERTIFICATE, HEAD, STATE, TRANSACTION, at_height
from node.write_ahead_log import WriteAheadLog
from tests.support.ledger import LocalChain, address_of, local_genesis, program_op
from vm.primitives.codec import encode

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


def test_what_is_restored_is_the_same_to_the_byte_and_recovers(chain: LocalChain, tmp_path: Path) -> None:
    file = backup_of(chain, tmp_path / "backup", signed=11)
    manifest = restore_backup(file, tmp_path / "home", chain.genesis)
    assert (manifest.chain, manifest.height) == (chain.genesis.chain, 6)
    store = Store.open(tmp_path / "home" / "data")
    assert everything(store) == everything(chain.store)
    store.close()
    wal = WriteAheadLog(tmp_path / "home" / "wal")
    assert (wal.recovering, wal.highest) == (True, 11)
    wal.close()


def test_it_shows_one_moment_whatever_is_committed_meanwhile(chain: LocalChain, tmp_path: Path) -> None:
    before = everything(chain.store)
    pieces = frames(chain.store, chain.genesis.chain, 0)
    first = [next(pieces), next(pieces)]
    for _ in range(3):
        chain.commit()
    write_file(tmp_path / "backup", [*first, *pieces])
    reader = BackupReader(tmp_path / "backup")
    assert [entry for entries in reader.entries() for entry in entries] == before
    reader.close()
    assert restore_backup(tmp_path / "backup", tmp_path / "home", chain.genesis).height == 6


def test_a_chain_at_genesis_and_a_pruned_one_can_be_restored(chain: LocalChain, tmp_path: Path) -> None:
    fresh = LocalChain(tmp_path / "fresh", OPS)
    assert restore_backup(backup_of(fresh, tmp_path / "b0"), tmp_path / "h0", fresh.genesis).height == 0
    fresh.close()
    chain.commit(time=chain.ledger.head_time + 60_000)
    pruner = Pruner(chain.store, 2, lambda: chain.ledger.head_time, chain.runtime.calls)
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


def drop_transaction(entries: dict[bytes, bytes]) -> None:
    del entries[next(key for key in entries if key.startswith(TRANSACTION))]


def forge_head(entries: dict[bytes, bytes]) -> None:
    entries[at_height(HEAD, 2)] = entries[at_height(HEAD, 1)]


def forge_past_root(entries: dict[bytes, bytes]) -> None:
    record = bytearray(entries[at_height(HEAD, 3)])
    record[-40] ^= 1
    entries[at_height(HEAD, 3)] = bytes(record)


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
        drop_transaction,
        forge_head,
        forge_past_root,
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
