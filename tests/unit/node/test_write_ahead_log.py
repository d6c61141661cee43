"""The write-ahead log survives crashes, and refuses damage that could hide a vote."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from consensus.messages import Prepare, VoteRecord
from node import write_ahead_log
from node.write_ahead_log import WriteAheadLog, WriteAheadLogDamaged, WriteAheadLogError, set_aside
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


def test_votes_for_decided_heights_are_not_given_again(three: Path) -> None:
    log = WriteAheadLog(three)
    log.append(vote(8), None)
    log.close()
    assert records(three, above=7) == [vote(8)]


def test_the_file_begins_anew_once_it_is_large_and_its_heights_are_decided(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_ahead_log, "ROTATE_BYTES", 800)
    log = WriteAheadLog(three)
    log.append(vote(7, 5), None)
    size = (three / "consensus.wal").stat().st_size
    assert size > 800, "a height that is not decided keeps all its votes"
    log.append(vote(8), None)
    mark = log.mark
    log.close()
    assert records(three) == [vote(8)]
    assert (three / "consensus.wal").stat().st_size < size
    assert mark.sequence == 5
    again = WriteAheadLog(three)
    assert (again.mark, again.highest) == (mark, 8)
    again.close()


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_torn_tail_is_cut_off_and_the_rest_stays(three: Path, cut: int) -> None:
    path = three / "consensus.wal"
    os.truncate(path, path.stat().st_size - cut)
    assert records(three) == [vote(7, 0), vote(7, 1)]
    log = WriteAheadLog(three)
    log.append(vote(7, 5), None)
    log.close()
    assert records(three) == [vote(7, 0), vote(7, 1), vote(7, 5)]


def test_every_flipped_bit_is_refused_with_the_command_that_repairs(three: Path) -> None:
    path = three / "consensus.wal"
    good = path.read_bytes()
    for offset in range(len(good)):
        path.write_bytes(good[:offset] + bytes([good[offset] ^ 0x10]) + good[offset + 1 :])
        with pytest.raises(WriteAheadLogDamaged, match="entente node recover --home"):
            WriteAheadLog(three)


def test_what_a_crash_leaves_of_the_last_record_is_cut_off(tmp_path: Path) -> None:
    log = WriteAheadLog(tmp_path)
    log.append(vote(7), None)
    size = (tmp_path / "consensus.wal").stat().st_size
    log.append(vote(7, 1), [bytes(range(1, 200))] * 20)
    log.close()
    path = tmp_path / "consensus.wal"
    data = path.read_bytes()
    head, tail = data[:size], data[size:]
    sector = -(-size // 512) * 512 - size
    ways = {
        "its beginning was never written": bytes(sector) + tail[sector:],
        "a sector inside was never written": tail[:sector] + bytes(512) + tail[sector + 512 :],
        "its end was never written": tail[:sector] + bytes(len(tail) - sector),
        "nothing was written": bytes(len(tail)),
    }
    for way, torn in ways.items():
        path.write_bytes(head + torn)
        assert records(tmp_path) == [vote(7)], way


@pytest.mark.parametrize("before_border", range(1, 13))
def test_a_record_whose_head_stands_across_an_unwritten_sector_is_torn(tmp_path: Path, before_border: int) -> None:
    # Seen in the simulator: seeds 2121 and 2921.
    path = tmp_path / "consensus.wal"
    trial = WriteAheadLog(tmp_path / "trial")
    trial.append(vote(7, 0), [bytes(300)])
    trial.close()
    size = (tmp_path / "trial" / "consensus.wal").stat().st_size
    filler = 300 - (size + before_border) % 512 + 512
    size += filler - 300
    log = WriteAheadLog(tmp_path)
    log.append(vote(7, 0), [bytes(filler)])
    assert path.stat().st_size == size
    log.append(vote(7, 1), [bytes(1_500)])
    log.close()
    data = bytearray(path.read_bytes())
    data[size + before_border : size + before_border + 512] = bytes(512)
    path.write_bytes(data)
    assert records(tmp_path) == [vote(7, 0)]


def test_a_hole_before_the_last_record_is_damage(three: Path) -> None:
    path = three / "consensus.wal"
    data = path.read_bytes()
    path.write_bytes(data[:60] + bytes(40) + data[100:])
    with pytest.raises(WriteAheadLogDamaged, match="byte"):
        WriteAheadLog(three)


def test_recovery_is_remembered_and_its_end_too(three: Path) -> None:
    log = WriteAheadLog(three)
    mark = log.mark
    log.begin_recovery(floor=3)
    log.close()
    log = WriteAheadLog(three)
    assert log.recovering
    assert log.highest == 7, "votes that are known count as well"
    assert log.mark == mark
    log.begin_signing()
    log.append(vote(9), None)
    log.close()
    log = WriteAheadLog(three)
    assert not log.recovering
    assert (log.highest, log.mark.sequence) == (9, 4)
    assert [logged.record for logged in log.votes_above(0)] == [vote(9)]
    log.close()


def test_another_file_is_another_log(tmp_path: Path) -> None:
    first, second = WriteAheadLog(tmp_path / "a"), WriteAheadLog(tmp_path / "b")
    assert first.mark.identity != second.mark.identity
    first.close()
    second.close()


def test_a_log_that_is_set_aside_makes_room_for_a_new_one(three: Path) -> None:
    assert set_aside(three).name == "consensus.wal.damaged-1"
    assert records(three) == []
    assert set_aside(three).name == "consensus.wal.damaged-2"


def test_garbage_behind_the_records_counts_as_torn(three: Path) -> None:
    with (three / "consensus.wal").open("ab") as file:
        file.write(b"\xeb\x00\x00\x00\x09half")
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


def test_a_half_written_record_leaves_nothing_behind_a_shorter_one(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = WriteAheadLog(three)
    real = os.pwrite
    room = [2_000, 0]

    def full(descriptor: int, data: memoryview, offset: int) -> int:
        if room and (left := room.pop(0)):
            return real(descriptor, data[:left], offset)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(WriteAheadLogError, match="No space left"):
        log.append(vote(7, 9), [b"\xff" * 4_000])
    monkeypatch.undo()
    log.append(vote(7, 10), None)
    log.append(vote(7, 11), None)
    log.close()
    assert [record.message.round for record in records(three)] == [0, 1, 2, 10, 11]


def test_append_returns_after_the_record_was_synced(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = WriteAheadLog(three)
    size = (three / "consensus.wal").stat().st_size
    synced: list[int] = []
    real = os.fdatasync

    def sync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_size)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", sync)
    log.append(vote(7, 9), None)
    log.close()
    assert len(synced) == 1
    assert synced[0] == (three / "consensus.wal").stat().st_size > size


def test_an_empty_folder_is_a_new_log(tmp_path: Path) -> None:
    assert records(tmp_path / "new" / "wal") == []
