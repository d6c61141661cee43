"""A validator whose log may lack votes does not sign until it is past everything that it can have signed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from consensus.messages import Prepare, VoteRecord
from node.ledger import Ledger
from node.signing_guard import SigningGuard, compare_with_store
from node.write_ahead_log import WriteAheadLog
from tests.support.ledger import LocalChain
from vm.primitives.hashing import sha256

OWN = 0


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[LocalChain]:
    chain = LocalChain(tmp_path / "data")
    yield chain
    chain.close()


@pytest.fixture
def wal(tmp_path: Path) -> Iterator[WriteAheadLog]:
    log = WriteAheadLog(tmp_path / "wal")
    log.begin_signing()
    yield log
    log.close()


def vote(height: int) -> VoteRecord:
    return VoteRecord(Prepare(height, 0, OWN, sha256(bytes([height])), bytes(64)), None, None)


def guard_of(chain: LocalChain, wal: WriteAheadLog) -> tuple[SigningGuard, Ledger]:
    key = chain.validator_keys[OWN].public_key
    return SigningGuard(wal, key), Ledger(chain.genesis, chain.runtime, chain.store, key)


def signs(guard: SigningGuard, ledger: Ledger) -> bool:
    ledger._load_head()
    return guard.context(ledger.height_context()).own_index is not None


def test_a_validator_with_its_log_signs_at_once(chain: LocalChain, wal: WriteAheadLog) -> None:
    chain.commit()
    guard, ledger = guard_of(chain, wal)
    assert signs(guard, ledger)
    assert guard.reason is None


def test_a_full_node_is_not_bothered(chain: LocalChain, wal: WriteAheadLog) -> None:
    wal.begin_recovery(4)
    guard = SigningGuard(wal, b"x" * 32)
    ledger = Ledger(chain.genesis, chain.runtime, chain.store, b"x" * 32)
    assert not signs(guard, ledger)
    assert guard.reason is None


def test_its_own_seal_from_a_life_that_the_log_does_not_know_makes_it_recover(
    chain: LocalChain, wal: WriteAheadLog
) -> None:
    guard, ledger = guard_of(chain, wal)
    wal.append(vote(1), None)
    chain.commit()
    guard.certificate_seen(ledger.certificate(1), ledger.next_validators())
    assert not guard.recovering, "the log knows of height 1"
    chain.commit()
    guard.certificate_seen(ledger.certificate(2), ledger.next_validators())
    assert guard.recovering
    assert wal.highest == 2
    assert not signs(guard, ledger)


@pytest.mark.parametrize("kind", ["lost", "older", "shorter"])
def test_a_log_that_is_not_the_one_of_the_store_makes_it_recover(
    chain: LocalChain, tmp_path: Path, kind: str
) -> None:
    log = WriteAheadLog(tmp_path / "wal")
    log.begin_signing()
    compare_with_store(log, chain.store)
    log.append(vote(1), None)
    path = tmp_path / "wal" / "consensus.wal"
    copy = path.read_bytes()
    log.append(vote(1), None)
    chain.commit()
    chain.store.note_log(log.mark)
    log.close()
    if kind == "lost":
        path.unlink()
    elif kind == "older":
        path.write_bytes(copy)
    else:
        os.truncate(path, path.stat().st_size - 5)
    log = WriteAheadLog(tmp_path / "wal")
    compare_with_store(log, chain.store)
    assert log.recovering
    assert chain.store.log_mark == log.mark
    log.close()


def test_a_log_that_is_ahead_of_the_store_is_good(chain: LocalChain, wal: WriteAheadLog) -> None:
    compare_with_store(wal, chain.store)
    wal.append(vote(1), None)
    compare_with_store(wal, chain.store)
    assert not wal.recovering
    assert chain.store.log_mark == wal.mark


def test_a_marker_in_a_block_ends_the_recovery_and_nothing_else_does(chain: LocalChain, wal: WriteAheadLog) -> None:
    for _ in range(3):
        chain.commit()
    wal.begin_recovery(2)
    guard, ledger = guard_of(chain, wal)
    assert not signs(guard, ledger)
    assert guard.wants_marker
    marker = sha256(b"marker")
    guard.marker_made(marker)
    chain.commit()
    guard.block_final(4, [sha256(b"a marker of a former life")])
    for _ in range(5):  # however far the chain goes: those may be blocks that were final long ago
        assert not signs(guard, ledger)
        chain.commit()
    assert guard.reason == (
        "recovering: until a block holds a transaction that this validator has made since its start"
    )
    guard.block_final(10, [sha256(b"another"), marker])
    assert not signs(guard, ledger), "the next height is 10: that of the marker's own block"
    assert guard.reason == "recovering: this validator signs again after block 10"
    assert not guard.wants_marker
    chain.commit()
    assert signs(guard, ledger)
    assert not wal.recovering
    assert guard.reason is None


def test_it_never_signs_at_or_below_the_heights_that_are_known_to_be_signed(
    chain: LocalChain, wal: WriteAheadLog
) -> None:
    wal.begin_recovery(4)
    guard, ledger = guard_of(chain, wal)
    guard.marker_made(b"m" * 32)
    guard.block_final(1, [b"m" * 32])
    for _ in range(4):
        assert not signs(guard, ledger)
        chain.commit()
    assert signs(guard, ledger)


def test_a_marker_of_before_does_not_end_a_later_recovery(chain: LocalChain, wal: WriteAheadLog) -> None:
    guard, ledger = guard_of(chain, wal)
    guard.marker_made(b"m" * 32)
    guard.block_final(1, [b"m" * 32])
    chain.commit()
    chain.commit()
    guard.certificate_seen(ledger.certificate(2), ledger.next_validators())
    assert guard.recovering
    chain.commit()
    assert not signs(guard, ledger)
    assert guard.wants_marker
