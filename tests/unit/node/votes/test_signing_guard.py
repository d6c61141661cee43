"""A validator whose log may lack votes does not sign until it is past everything that it can have signed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from consensus.messages import (
    Commit,
    Prepare,
    PreparedCertificate,
    Proposal,
    RoundChange,
    RoundChangeVote,
    VoteRecord,
)
from consensus.types import Seal
from node.chain.ledger import Ledger
from node.store import LogMark
from node.votes.own_votes import HEIGHTS_KEPT
from node.votes.signing_guard import SigningGuard, compare_with_store
from node.votes.write_ahead_format import Standing
from node.votes.write_ahead_log import WriteAheadLog
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


def own_commit(chain: LocalChain, height: int) -> VoteRecord:
    """Return the record of the seal of ours that the certificate of a height holds."""
    held = chain.ledger.queries.own_certificate(height)
    assert held is not None
    (signature,) = [seal.signature for seal in held.seals if seal.index == OWN]
    message = Commit(height, held.round, OWN, held.digest, held.state_root, held.receipts_root, signature)
    return VoteRecord(message, None, None)


def see(guard: SigningGuard, ledger: Ledger, height: int) -> bool:
    """Show the guard a block's certificate, before the block is written, as the driver does."""
    return guard.certificate_seen(ledger.queries.own_certificate(height), ledger.next_validators())


def test_its_own_seal_from_a_life_that_the_log_does_not_know_makes_it_recover(
    chain: LocalChain, wal: WriteAheadLog
) -> None:
    guard, ledger = guard_of(chain, wal)
    chain.commit()
    guard.log_vote(own_commit(chain, 1), None)
    assert not see(guard, ledger, 1), "the log holds that seal"
    chain.commit()
    assert see(guard, ledger, 2)
    assert guard.recovering
    assert wal.highest == 2
    assert not signs(guard, ledger)


def test_a_foreign_seal_below_the_highest_vote_counts_where_the_log_holds_that_height_whole(
    chain: LocalChain, wal: WriteAheadLog
) -> None:
    guard, ledger = guard_of(chain, wal)
    chain.commit()
    guard.log_vote(vote(1), None)
    guard.log_vote(vote(5), None)
    assert see(guard, ledger, 1), "the log holds a PREPARE of that height, and would hold the seal"
    assert guard.recovering


def test_what_the_log_has_left_behind_is_nobody_elses(chain: LocalChain, wal: WriteAheadLog) -> None:
    wal.rotate_bytes = 1
    chain.commit()
    wal.append(own_commit(chain, 1), None)
    wal.append(vote(2), None)
    guard, ledger = guard_of(chain, wal)
    assert wal.floor == 1
    assert not see(guard, ledger, 1)
    assert not guard.recovering


def test_its_votes_in_what_others_send_are_compared_as_well(chain: LocalChain, wal: WriteAheadLog) -> None:
    guard, ledger = guard_of(chain, wal)
    validators = ledger.next_validators()
    guard.log_vote(vote(1), None)
    own = vote(1).message
    assert isinstance(own, Prepare)
    for digest, foreign in ((own.digest, False), (sha256(b"another block"), True)):
        prepared = PreparedCertificate(0, digest, tuple(Seal(i, bytes(64)) for i in range(3)))
        assert guard.message_seen(RoundChange(1, 1, 2, prepared, bytes(64)), validators) is foreign
        assert guard.recovering is foreign


def test_a_round_change_of_ours_in_a_proposal_is_compared(chain: LocalChain, wal: WriteAheadLog) -> None:
    guard, ledger = guard_of(chain, wal)
    chain.commit()
    context = ledger.height_context()
    candidate = chain._candidate((), context.parent_time + 200)
    votes = (RoundChangeVote(OWN, None, None, bytes(64)),)
    proposal = Proposal(context.height, 1, 2, candidate, votes, None, bytes(64))
    guard.log_vote(VoteRecord(RoundChange(context.height, 1, OWN, None, bytes(64)), None, None), None)
    assert not guard.message_seen(proposal, context.validators)
    other = msgspec.structs.replace(proposal, round=2)
    assert guard.message_seen(other, context.validators)


@pytest.mark.parametrize("store_height", range(5))
def test_it_never_signs_below_what_a_rotated_log_knows(
    chain: LocalChain, tmp_path: Path, store_height: int
) -> None:
    log = WriteAheadLog(tmp_path / "wal")
    log.rotate_bytes = 1
    log.begin_signing()
    compare_with_store(log, chain.store)
    for height in range(1, 5):
        log.append(vote(height), None)
    log.close()
    for _ in range(store_height):
        chain.commit()
    log = WriteAheadLog(tmp_path / "wal")
    assert (log.highest, log.floor) == (4, 3)
    guard, ledger = guard_of(chain, log)
    assert signs(guard, ledger) is (store_height >= 3), "the log alone forbids what it cannot answer for"
    compare_with_store(log, chain.store)
    assert log.recovering is (store_height < 3)
    guard, ledger = guard_of(chain, log)
    assert signs(guard, ledger) is (store_height >= 3), "a store right behind the log is that of a crash"
    assert (guard.reason is None) is (store_height >= 3)
    log.close()


def test_votes_of_the_height_in_progress_are_restored_after_a_crash(chain: LocalChain, wal: WriteAheadLog) -> None:
    wal.rotate_bytes = 1
    compare_with_store(wal, chain.store)
    chain.commit()
    for height in (1, 2):
        wal.append(vote(height), None)
    compare_with_store(wal, chain.store)
    guard, ledger = guard_of(chain, wal)
    assert signs(guard, ledger)
    assert [logged.record for logged in guard.votes_to_restore(1)] == [vote(2)]


def test_a_log_beside_a_store_that_knows_of_none_recovers(chain: LocalChain, wal: WriteAheadLog) -> None:
    wal.append(vote(1), None)
    compare_with_store(wal, chain.store)
    assert wal.recovering
    guard, _ = guard_of(chain, wal)
    assert guard.votes_to_restore(0) == ()


def test_a_log_of_another_key_recovers(chain: LocalChain, tmp_path: Path) -> None:
    log = WriteAheadLog(tmp_path / "wal")
    log.begin_signing()
    compare_with_store(log, chain.store, b"k" * 32)
    log.append(vote(1), None)
    log.close()
    log = WriteAheadLog(tmp_path / "wal")
    compare_with_store(log, chain.store, b"k" * 32)
    assert not log.recovering
    assert [logged.record for logged in log.votes_above(0)] == [vote(1)]
    compare_with_store(log, chain.store, b"j" * 32)
    assert log.recovering
    assert log.votes_above(0) == []
    log.close()


# -- a new log -------------------------------------------------------------------------------------


@pytest.fixture
def new(tmp_path: Path) -> Iterator[WriteAheadLog]:
    log = WriteAheadLog(tmp_path / "new")
    yield log
    log.close()


def keys_of(chain: LocalChain) -> list[bytes]:
    return [key.public_key for key in chain.validator_keys]


def test_with_a_new_log_it_signs_once_a_quorum_holds_no_block(chain: LocalChain, new: WriteAheadLog) -> None:
    guard, ledger = guard_of(chain, new)
    own, second, third, fourth = keys_of(chain)
    assert not signs(guard, ledger)
    assert not guard.wants_marker, "there may be no chain to put it into"
    assert guard.reason is not None
    assert guard.reason.startswith("waiting: the vote log is new")
    assert not guard.peer_said(own, 0), "one key is one voice, and this one is ours"
    assert not guard.peer_said(second, 0)
    assert not guard.peer_said(second, 0)
    assert not guard.peer_said(b"s" * 32, 0), "a full node is no validator"
    assert not guard.peer_said(third, 1_000), "what it claims, it can send"
    assert not signs(guard, ledger)
    assert guard.peer_said(fourth, 0)
    assert signs(guard, ledger)
    assert guard.reason is None
    assert new.standing is Standing.SIGNS


def test_with_a_new_log_and_a_chain_it_recovers(chain: LocalChain, new: WriteAheadLog) -> None:
    chain.commit()
    guard, ledger = guard_of(chain, new)
    for key in keys_of(chain):
        guard.peer_said(key, 0)
    assert not signs(guard, ledger)
    for key in keys_of(chain):
        assert not guard.peer_said(key, 0), "liars, or others that have lost all"
    assert guard.wants_marker
    guard.marker_made(b"m" * 32)
    chain.commit()
    guard.block_final(2, [b"m" * 32])
    assert signs(guard, ledger)


def test_a_vote_of_ours_that_a_peer_shows_ends_the_hope_that_the_chain_is_new(
    chain: LocalChain, new: WriteAheadLog
) -> None:
    guard, ledger = guard_of(chain, new)
    assert not signs(guard, ledger)
    prepared = PreparedCertificate(0, sha256(b"block"), tuple(Seal(i, bytes(64)) for i in range(3)))
    assert guard.message_seen(RoundChange(1, 1, 2, prepared, bytes(64)), ledger.next_validators())
    for key in keys_of(chain):
        assert not guard.peer_said(key, 0)
    assert not signs(guard, ledger)


# -- two processes with one key --------------------------------------------------------------------


def recovered(guard: SigningGuard, ledger: Ledger, chain: LocalChain) -> None:
    """End a recovery by a marker in the next block."""
    guard.marker_made(b"m" * 32)
    chain.commit()
    guard.block_final(chain.height, [b"m" * 32])
    assert signs(guard, ledger)


def test_the_second_foreign_seal_silences_it_for_good(
    chain: LocalChain, wal: WriteAheadLog, caplog: pytest.LogCaptureFixture
) -> None:
    guard, ledger = guard_of(chain, wal)
    chain.commit()
    assert see(guard, ledger, 1)
    assert not guard.silenced
    recovered(guard, ledger, chain)
    assert wal.floor == 2
    assert not see(guard, ledger, 2), "up to the marker's block a former life may have signed"
    chain.commit()
    assert see(guard, ledger, chain.height)
    assert guard.silenced
    assert "another process has its key" in caplog.text
    assert not signs(guard, ledger)
    assert guard.reason is not None
    assert guard.reason.startswith("silenced: another process signs with this validator's key")
    assert not guard.wants_marker
    guard, ledger = guard_of(chain, wal)
    assert guard.silenced, "a restart does not end the other process"
    chain.commit()
    assert not see(guard, ledger, chain.height)


def test_a_foreign_vote_after_the_marker_silences_one_that_still_recovers(
    chain: LocalChain, wal: WriteAheadLog
) -> None:
    guard, ledger = guard_of(chain, wal)
    wal.begin_recovery(9)
    guard, ledger = guard_of(chain, wal)
    assert not signs(guard, ledger)
    guard.marker_made(b"m" * 32)
    guard.block_final(2, [b"m" * 32])
    for _ in range(10):
        chain.commit()
    assert not see(guard, ledger, 9), "nothing is known of heights up to the floor"
    assert see(guard, ledger, 10)
    assert guard.silenced


def test_an_announcement_silences_the_other_process_and_not_its_author(
    chain: LocalChain, wal: WriteAheadLog, new: WriteAheadLog
) -> None:
    guard, ledger = guard_of(chain, wal)
    assert signs(guard, ledger)
    wal.silence()
    assert guard.wants_announcement
    for _ in range(6):
        assert guard.wants_announcement
        guard.announcement_made(b"a" * 32)
    assert not guard.wants_announcement, "everything has a limit"
    new.begin_signing()
    other, ledger = guard_of(chain, new)
    assert signs(other, ledger)
    other.announcement_final(b"a" * 32)
    assert other.silenced
    assert not signs(other, ledger)


def test_one_that_recovers_reads_old_announcements_without_harm(chain: LocalChain, wal: WriteAheadLog) -> None:
    wal.begin_recovery(1)
    guard, _ = guard_of(chain, wal)
    guard.announcement_final(b"a" * 32)
    assert not guard.silenced


@pytest.mark.parametrize("kind", ["lost", "older", "shorter", "another"])
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
    elif kind == "another":
        other = WriteAheadLog(tmp_path / "other")
        other.begin_signing()
        for _ in range(3):
            other.append(vote(1), None)
        assert other.mark.sequence > log.mark.sequence, "a greater number tells nothing where the log is another"
        other.close()
        path.write_bytes((tmp_path / "other" / "consensus.wal").read_bytes())
    else:
        os.truncate(path, path.stat().st_size - 5)
    log = WriteAheadLog(tmp_path / "wal")
    compare_with_store(log, chain.store)
    assert log.recovering
    assert log.floor >= chain.height + 1, "it may have signed for the height in progress"
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
        assert wal.recovering
        chain.commit()
    assert signs(guard, ledger)


def test_a_marker_of_before_does_not_end_a_later_recovery(chain: LocalChain, wal: WriteAheadLog) -> None:
    guard, ledger = guard_of(chain, wal)
    guard.marker_made(b"m" * 32)
    chain.commit()
    assert signs(guard, ledger)
    assert see(guard, ledger, 1)
    guard.block_final(1, [b"m" * 32])
    chain.commit()
    assert not signs(guard, ledger)
    assert guard.wants_marker


def test_a_vote_of_ours_that_comes_as_a_message_is_compared(chain: LocalChain, wal: WriteAheadLog) -> None:
    guard, ledger = guard_of(chain, wal)
    validators = ledger.next_validators()
    guard.log_vote(vote(1), None)
    assert not guard.message_seen(vote(1).message, validators)
    twins = Prepare(1, 1, OWN, sha256(b"another block"), bytes(64))
    assert guard.message_seen(twins, validators)
    assert guard.recovering


def test_heights_that_it_has_forgotten_are_nobody_elses(chain: LocalChain, wal: WriteAheadLog) -> None:
    """A seal of long ago that comes back is no proof of another process: its height is not compared any more."""
    guard, ledger = guard_of(chain, wal)
    for height in range(1, HEIGHTS_KEPT + 2):
        chain.commit()
        guard.log_vote(own_commit(chain, height), None)
    assert not see(guard, ledger, 1)
    assert not guard.recovering


def test_a_recovery_forgets_what_was_known_up_to_its_floor(chain: LocalChain, wal: WriteAheadLog) -> None:
    guard, ledger = guard_of(chain, wal)
    for _ in range(5):
        chain.commit()
    assert see(guard, ledger, 5)
    assert (guard.recovering, wal.floor) == (True, 5)
    guard.marker_made(b"m" * 32)
    guard.block_final(3, [b"m" * 32])
    assert not see(guard, ledger, 4), "a former life may have signed up to the floor"
    assert not guard.silenced


def test_a_silence_outlasts_a_store_that_does_not_fit(chain: LocalChain, wal: WriteAheadLog) -> None:
    """Else a backup of the store would let it recover, and sign beside the other process."""
    compare_with_store(wal, chain.store)
    wal.append(vote(1), None)
    wal.silence()
    chain.store.note_log(LogMark(b"another log's id", 9))
    compare_with_store(wal, chain.store)
    assert wal.standing is Standing.SILENCED
