"""The write-ahead log survives crashes, and refuses damage that could hide a vote."""

from __future__ import annotations

import errno
import os
import stat
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from consensus.messages import Prepare, VoteRecord
from node.votes import write_ahead_log
from node.votes.write_ahead_format import Standing, WriteAheadLogDamaged, WriteAheadLogError
from node.votes.write_ahead_log import SignedBefore, WriteAheadLog, set_aside
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


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
@pytest.mark.parametrize("refused", [1, 2])
def test_without_a_descriptor_the_file_goes_on_and_begins_anew_later(
    three: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int, refused: int
) -> None:
    """Strangers took all descriptors; the next file could not be opened, and each validator ended."""
    monkeypatch.setattr(write_ahead_log, "ROTATE_BYTES", 300)
    log = WriteAheadLog(three)
    opened = os.open
    attempts = []

    def refuse(path: Any, flags: int, mode: int = 0o777) -> int:
        attempts.append(path)
        if len(attempts) == refused:
            raise OSError(number, os.strerror(number))
        return opened(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse)
    log.append(vote(8), None)
    assert os.strerror(number) in caplog.text
    monkeypatch.setattr(os, "open", opened)
    assert records(three) == [vote(7, 0), vote(7, 1), vote(7, 2), vote(8)]
    log.append(vote(9), None)
    log.close()
    assert records(three) == [vote(9)]
    assert sorted(path.name for path in three.iterdir()) == ["consensus.wal"]


def test_a_rotation_opens_nothing_once_the_new_file_has_its_name(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_ahead_log, "ROTATE_BYTES", 300)
    log = WriteAheadLog(three)
    rename = os.rename

    def renamed(*paths: Any) -> None:
        rename(*paths)
        monkeypatch.setattr(os, "open", lambda *_: pytest.fail("a file was opened after the rename"))

    monkeypatch.setattr(os, "rename", renamed)
    log.append(vote(8), None)
    log.append(vote(8, 1), None)
    monkeypatch.undo()
    log.close()
    assert records(three) == [vote(8), vote(8, 1)]


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


def test_what_is_read_at_a_start_is_synced_before_it_is_believed(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    log = WriteAheadLog(three)
    assert done == ["file", "folder"]
    assert len(log.votes_above(0)) == 3
    log.close()


def test_an_empty_folder_is_a_new_log(tmp_path: Path) -> None:
    assert records(tmp_path / "new" / "wal") == []


def test_rotation_notes_up_to_where_votes_were_left_behind(tmp_path: Path) -> None:
    log = WriteAheadLog(tmp_path)
    log.rotate_bytes = 1
    for height in (3, 4, 7):
        log.append(vote(height), None)
        assert log.floor == {3: 0, 4: 3, 7: 4}[height]
    log.append(vote(7, 1), None)
    log.close()
    log = WriteAheadLog(tmp_path)
    assert (log.floor, log.highest) == (6, 7), "no vote between 4 and 7 was signed; the first record tells less"
    for height in (1, 4, 6):
        with pytest.raises(SignedBefore, match=f"height {height}"):
            log.append(vote(height), None)
    log.append(vote(7, 2), None)
    log.close()
    assert records(tmp_path) == [vote(7), vote(7, 1), vote(7, 2)]


def test_a_file_of_the_former_format_tells_its_floor_by_its_first_record(tmp_path: Path) -> None:
    log = WriteAheadLog(tmp_path)
    log.rotate_bytes = 1
    for height in (3, 7):
        log.append(vote(height), None)
    log.close()
    path = tmp_path / "consensus.wal"
    content = path.read_bytes()[64:]
    fields = struct.pack(">8s16sQQB3x", b"ENTWAL2\n", b"i" * 16, 1, 0, 0)
    path.write_bytes(fields + zlib.crc32(fields).to_bytes(4, "big") + content)
    log = WriteAheadLog(tmp_path)
    assert (log.floor, log.highest, log.standing) == (6, 7, Standing.SIGNS)
    assert log.mark.sequence == 2
    assert log.claim(b"k" * 32)
    log.append(vote(7, 1), None)
    log.close()
    assert path.read_bytes().startswith(b"ENTWAL3\n")
    assert records(tmp_path) == [vote(7), vote(7, 1)]
    log = WriteAheadLog(tmp_path)
    assert log.mark.sequence == 3, "the store has noted how many votes there were"
    log.close()


def test_a_standing_that_no_release_writes_is_refused(tmp_path: Path) -> None:
    fields = struct.pack(">8s16sQQB3x16s", b"ENTWAL3\n", b"i" * 16, 0, 0, 4, bytes(16))
    (tmp_path / "consensus.wal").write_bytes(fields + zlib.crc32(fields).to_bytes(4, "big"))
    with pytest.raises(WriteAheadLogDamaged, match="its head says 4"):
        WriteAheadLog(tmp_path)


@pytest.mark.parametrize("standing", list(Standing))
def test_what_is_known_to_be_signed_survives_every_change_of_standing(three: Path, standing: Standing) -> None:
    log = WriteAheadLog(three)
    {
        Standing.SIGNS: log.begin_signing,
        Standing.RECOVERING: lambda: log.begin_recovery(5),
        Standing.NEW: lambda: None,
        Standing.SILENCED: log.silence,
    }[standing]()
    floor = 0 if standing is Standing.NEW else 7
    assert (log.standing, log.highest, log.floor) == (standing, 7, floor)
    log.close()
    log = WriteAheadLog(three)
    assert (log.standing, log.highest, log.floor, log.mark.sequence) == (standing, 7, floor, 3)
    log.close()


def test_the_highest_height_stays_when_a_lower_one_is_signed(three: Path) -> None:
    log = WriteAheadLog(three)
    log.append(vote(5), None)
    assert log.highest == 7
    log.rotate_bytes = 1
    log.append(vote(6), None)
    assert log.floor == 0, "height 7 is not decided: nothing may be left behind"
    log.append(vote(8), None)
    assert log.floor == 7
    log.close()


def test_accepting_lets_it_sign_above_the_height_that_the_operator_names(three: Path) -> None:
    log = WriteAheadLog(three)
    log.begin_recovery(9)
    log.accept(6)
    log.append(vote(7, 4), None)
    assert (log.standing, log.floor, log.highest) == (Standing.SIGNS, 6, 7)
    log.close()


def test_a_new_file_is_synced_before_it_is_renamed_and_its_folder_after(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = WriteAheadLog(three)
    log.rotate_bytes = 1
    done: list[str] = []
    real_fsync, real_rename = os.fsync, os.rename

    def fsync(descriptor: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        real_fsync(descriptor)

    def rename(source: Path, target: Path) -> None:
        done.append("rename")
        real_rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    log.append(vote(8), None)
    assert done == ["file", "rename", "folder"]
    done.clear()
    log.close()
    set_aside(three)
    assert done == ["rename", "folder"]


@pytest.mark.parametrize("moment", ["pwrite", "rename"])
def test_a_rotation_that_fails_leaves_the_former_file(
    three: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    log = WriteAheadLog(three)
    log.rotate_bytes = 1

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, moment, full)
    with pytest.raises(WriteAheadLogError, match="No space left"):
        log.append(vote(8), None)
    monkeypatch.undo()
    log.close()
    assert records(three) == [vote(7, 0), vote(7, 1), vote(7, 2)]
    assert not (three / "consensus.wal.new").exists()


@pytest.mark.parametrize("damage", ["zeros", "length", "sector"])
def test_damage_before_a_good_record_is_no_torn_tail(three: Path, damage: str) -> None:
    """What a crash could have left of a last record is damage where a good record stands behind it."""
    path = three / "consensus.wal"
    log = WriteAheadLog(three)
    second = path.stat().st_size
    log.append(vote(7, 3), [b"\x01" * 2_000])
    end = path.stat().st_size
    log.append(vote(7, 4), None)
    log.close()
    data = bytearray(path.read_bytes())
    if damage == "zeros":
        data[second:end] = bytes(end - second)
    elif damage == "length":
        head = struct.pack(">BII", 0xEB, 5_000, 0)
        data[second : second + 13] = head + zlib.crc32(head).to_bytes(4, "big")
    else:
        border = -(-(second + 13) // 512) * 512
        data[border : border + 512] = bytes(512)
    path.write_bytes(data)
    with pytest.raises(WriteAheadLogDamaged, match=f"at byte {second}"):
        WriteAheadLog(three)


def test_a_recovery_begins_and_ends_above_all_that_is_known_to_be_signed(three: Path) -> None:
    log = WriteAheadLog(three)
    for change in (lambda: log.begin_recovery(3), lambda: log.begin_signing(5)):
        change()
        assert (log.floor, log.highest) == (7, 7)
        with pytest.raises(SignedBefore):
            log.append(vote(7, 9), None)
    log.begin_signing(8)
    assert log.floor == 8
    log.close()


def test_a_new_file_is_whole_where_the_disk_takes_it_in_pieces(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = WriteAheadLog(three)
    log.rotate_bytes = 1
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: real(descriptor, data[:50], offset))
    log.append(vote(8), None)
    monkeypatch.undo()
    log.close()
    assert records(three) == [vote(8)]
