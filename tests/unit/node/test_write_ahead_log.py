"""The write-ahead log survives crashes, and refuses damage that could hide a vote."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from consensus.messages import Prepare, VoteRecord
from node.write_ahead_log import WriteAheadLog, WriteAheadLogError
from vm.primitives.hashing import sha256


def vote(height: int, round_: int = 0) -> VoteRecord:
    """Return a record whose message differs by height and round."""
    return VoteRecord(Prepare(height, round_, 1, sha256(bytes([height, round_])), bytes(64)), None, None)


def records(folder: Path, above: int = 0) -> list[VoteRecord]:
    """Open the log anew, as after a crash, and return its records."""
    log = WriteAheadLog(folder)
    try:
        return [logged.record for logged in log.votes_above(above)]
    finally:
        log.close()


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A folder whose log holds three records of height 7."""
    log = WriteAheadLog(tmp_path)
    for round_ in range(3):
        log.append(vote(7, round_), [b"tx-one", b"tx-two"] if round_ == 2 else None)
    log.close()
    return tmp_path


def test_what_was_appended_is_there_after_reopening(three: Path) -> None:
    assert records(three) == [vote(7, 0), vote(7, 1), vote(7, 2)]
    log = WriteAheadLog(three)
    assert log.votes_above(0)[2].transactions == (b"tx-one", b"tx-two")
    assert log.votes_above(7) == []


def test_a_later_height_drops_the_records_of_decided_ones(three: Path) -> None:
    log = WriteAheadLog(three)
    before = (three / "consensus.wal").stat().st_size
    log.append(vote(8), None)
    log.close()
    assert records(three) == [vote(8)]
    assert (three / "consensus.wal").stat().st_size < before


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_torn_tail_is_cut_off_and_the_rest_stays(three: Path, cut: int) -> None:
    path = three / "consensus.wal"
    os.truncate(path, path.stat().st_size - cut)
    assert records(three) == [vote(7, 0), vote(7, 1)]
    log = WriteAheadLog(three)
    log.append(vote(7, 5), None)
    log.close()
    assert records(three) == [vote(7, 0), vote(7, 1), vote(7, 5)]


def test_every_flipped_bit_before_the_last_record_is_refused(three: Path) -> None:
    path = three / "consensus.wal"
    good = path.read_bytes()
    first = 8 + int.from_bytes(good[:4], "big")
    for offset in range(first):
        path.write_bytes(good[:offset] + bytes([good[offset] ^ 0x10]) + good[offset + 1 :])
        with pytest.raises(WriteAheadLogError, match="damaged"):
            WriteAheadLog(three)


def test_garbage_behind_the_records_counts_as_torn(three: Path) -> None:
    with (three / "consensus.wal").open("ab") as file:
        file.write(b"\x00\x00\x00\x09half")
    assert len(records(three)) == 3


def test_a_disk_that_refuses_is_an_error_and_leaves_a_whole_log(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = WriteAheadLog(three)
    real = os.pwrite

    def full(descriptor: int, data: memoryview, offset: int) -> int:
        if offset > len(data) and len(data) > 20:
            return real(descriptor, data[:20], offset)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(WriteAheadLogError, match="No space left"):
        log.append(vote(7, 9), None)
    monkeypatch.undo()
    log.append(vote(7, 10), None)
    log.close()
    assert [record.message.round for record in records(three)] == [0, 1, 2, 10]


def test_an_empty_folder_is_a_new_log(tmp_path: Path) -> None:
    assert records(tmp_path / "new" / "wal") == []
