"""The plan on the disk: which one is gone on with, and what becomes of one that is torn, stale, or another's."""

from __future__ import annotations

import os
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from node.moving import importing
from node.moving.errors import FileRefused, MovingError, Stopped
from node.moving.importing import plan_identity, totals_of
from node.moving.plan import FOUND, PAID, Plan, Reject
from node.moving.reading import digest_of, has_rows_of, read_into
from node.moving.rows import COLUMNS, parse_row
from tests.support.moving import MemoryChain, planned, write_csv

HEADER = "ref,member,amount,expires"
ROWS = ["a,m1,5,2030-12-31", "b,m2,6,", "c,m1,7,2030-12-31", "d,m3,1e3,"]


@pytest.fixture
def chain() -> MemoryChain:
    return MemoryChain()


def test_a_plan_goes_on_from_what_became_of_its_rows(tmp_path: Path, chain: MemoryChain) -> None:
    with planned(tmp_path, chain, HEADER, *ROWS) as plan:
        first, second, third = plan.open_items(0, 10)
        assert (first.enroll, second.enroll, third.enroll) == (third.enroll, second.enroll, first.enroll)
        assert None not in (first.enroll, second.enroll)
        plan.settle([first], PAID, [first.account])
        plan.refuse([(second, "FROZEN: no")])
    with Plan(plan.path, "test") as again:
        assert again.reused
        left = again.open_items(0, 10)
        # What the chain has refused may be taken today; what the file has wrong stays wrong.
        assert [item.ref for item in left] == ["import-b", "import-c"]
        assert left[1].enroll is None, "its member is enrolled"
        assert [reject.ref for reject in again.rejects()] == ["d"]
        assert again.count("members") == 2


@pytest.mark.parametrize("kept", [0, 1, 50, 100])
def test_a_plan_that_was_torn_at_its_beginning_is_told_or_made_anew(
    tmp_path: Path, chain: MemoryChain, kept: int
) -> None:
    with planned(tmp_path, chain, HEADER, *ROWS) as plan:
        pass
    plan.path.write_bytes(plan.path.read_bytes()[:kept])
    if kept > 1:  # SQLite takes less for an empty file.
        with pytest.raises(MovingError, match="not usable"):
            Plan(plan.path, "test")
    else:
        with Plan(plan.path, "test") as torn:
            assert not torn.reused


@pytest.mark.parametrize("page", [2, 3, 4, 5, 6])
def test_a_plan_with_a_broken_page_is_told_and_not_half_used(tmp_path: Path, chain: MemoryChain, page: int) -> None:
    with planned(tmp_path, chain, HEADER, *ROWS) as plan:
        pass
    content = bytearray(plan.path.read_bytes())
    content[(page - 1) * 4_096 : page * 4_096] = b"\xff" * 4_096
    plan.path.write_bytes(content)

    def use() -> None:
        with Plan(plan.path, "test") as broken:
            assert [item.ref for item in broken.open_items(0, 10)] == ["import-a", "import-b", "import-c"]
            broken.settle(broken.open_items(0, 10), PAID, [item.account for item in broken.open_items(0, 10)])
            assert [reject.ref for reject in broken.rejects()] == ["d"]
            broken.add(broken_row)

    broken_row = parse_row(
        9, {**dict.fromkeys(COLUMNS, ""), "ref": "a", "member": "m", "amount": "1"}, chain.terms()
    )
    with pytest.raises(Stopped, match="remove it"):
        use()


def test_a_full_disk_stops_the_import(tmp_path: Path, chain: MemoryChain) -> None:
    with planned(tmp_path, chain, HEADER, *ROWS) as plan:
        plan._db.execute("PRAGMA max_page_count = 1")
        with pytest.raises(Stopped, match=r"cannot be read or written: database or disk is full"):
            plan.reject([Reject(1, "r", "x" * 100_000)], by_chain=False)


@pytest.mark.parametrize("content", [b"ref,member,amount\r\n", b"\0" * 5_000, b"SQLite format 3\0" + b"x" * 5_000])
def test_a_file_that_is_no_plan_is_told_and_stays(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "members.csv.import"
    path.write_bytes(content)
    with pytest.raises(MovingError, match="remove it"):
        Plan(path, "test")
    assert path.read_bytes() == content


def test_a_database_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "members.csv.import"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE rows (mine TEXT)")
        db.execute("INSERT INTO rows VALUES ('precious')")
    db.close()
    with pytest.raises(MovingError, match="is no plan"):
        Plan(path, "test")
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT mine FROM rows").fetchall() == [("precious",)]
    db.close()


def test_a_plan_that_was_not_read_to_its_end_is_made_anew(tmp_path: Path, chain: MemoryChain) -> None:
    file = write_csv(tmp_path / "members.csv", HEADER, *ROWS)

    def fail(count: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "plan"
    with Plan(path, "test") as plan, pytest.raises(KeyboardInterrupt):
        read_into(plan, file, digest_of(file), chain.terms(), fail)
    with Plan(path, "test") as plan:
        assert not plan.reused
        assert plan.count("rows") == plan.count("rejects") == 0


def test_a_plan_is_of_one_file_chain_program_prefix_salt_and_choice(tmp_path: Path, chain: MemoryChain) -> None:
    programme = chain.programme()
    mine = ("digest", programme, "import-", "salt", False)
    others = [
        ("other", *mine[1:]),
        ("digest", replace(programme, chain="other"), *mine[2:]),
        ("digest", replace(programme, program="other"), *mine[2:]),
        ("digest", replace(programme, brand="other"), *mine[2:]),
        (*mine[:2], "other-", *mine[3:]),
        (*mine[:3], "other", False),
        (*mine[:4], True),
    ]
    identities = {plan_identity(*parts) for parts in [mine, *others]}
    assert len(identities) == 1 + len(others)
    path = tmp_path / "plan"
    file = write_csv(tmp_path / "m.csv", HEADER, *ROWS)
    for parts in others:
        path.unlink(missing_ok=True)
        with Plan(path, plan_identity(*mine)) as plan:
            read_into(plan, file, digest_of(file), chain.terms(), lambda count: None)
        with Plan(path, plan_identity(*mine)) as plan:
            assert plan.reused
        with Plan(path, plan_identity(*parts)) as plan:
            assert not plan.reused
            assert plan.count("rows") == plan.count("members") == plan.count("rejects") == 0


def test_a_plan_and_its_journal_are_their_owners_only(tmp_path: Path, chain: MemoryChain) -> None:
    before = os.umask(0)
    try:
        with planned(tmp_path, chain, HEADER, *ROWS) as plan:
            plan.begin()
            plan.reject([Reject(9, "r", "no")], by_chain=False)
            modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("*.import*")}
    finally:
        os.umask(before)
    assert modes == {plan.path.name: 0o600, f"{plan.path.name}-journal": 0o600}
    plan.path.chmod(0o644)
    with Plan(plan.path, "test") as again:
        assert again.reused, "others could read it, and not write"
    assert plan.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("ending", ["", "-journal", "-wal"])
@pytest.mark.parametrize("fault", ["group", "others", "link", "pipe", "owner"])
def test_a_plan_that_others_can_have_written_is_refused_and_stays(
    tmp_path: Path, chain: MemoryChain, monkeypatch: pytest.MonkeyPatch, ending: str, fault: str
) -> None:
    with planned(tmp_path, chain, HEADER, *ROWS) as plan:
        pass
    path = tmp_path / f"{plan.path.name}{ending}"
    planted = path.with_name("planted")
    planted.write_bytes(plan.path.read_bytes())
    words = "others than its owner can write"
    if fault in ("group", "others"):
        path.write_bytes(planted.read_bytes())
        path.chmod(0o620 if fault == "group" else 0o602)
    elif fault == "owner":
        path.write_bytes(planted.read_bytes())
        path.chmod(0o600)
        lstat = os.lstat
        monkeypatch.setattr(
            os, "lstat", lambda name: owned_by_another(lstat(name)) if name == path else lstat(name)
        )
        words = "belongs to another user"
    else:
        path.unlink(missing_ok=True)
        path.symlink_to(planted) if fault == "link" else os.mkfifo(path)
        words = "is no regular file"
    with pytest.raises(MovingError, match=words):
        opened_within(30, plan.path, path if fault == "pipe" else None)
    assert planted.read_bytes()
    monkeypatch.undo()
    path.unlink()
    with Plan(plan.path, "test") as own:
        assert own.reused == bool(ending)


def opened_within(seconds: float, plan: Path, pipe: Path | None) -> None:
    """Open a plan; fail where that waits for somebody who writes into a pipe, which nobody does."""
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(Plan, plan, "test")
        try:
            opening.result(seconds)
        except TimeoutError:
            if pipe is not None:
                os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))  # It goes on, and meets the pipe's end.
            pytest.fail(f"{plan} is not opened after {seconds} s")


def owned_by_another(found: os.stat_result) -> os.stat_result:
    fields = list(found)
    fields[stat.ST_UID] += 1
    return os.stat_result(fields)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE rows SET account = 'ent1mallory' WHERE ref = 'import-b'",
        "UPDATE rows SET amount = 600 WHERE ref = 'import-b'",
        "UPDATE rows SET ref = 'import-x' WHERE ref = 'import-b'",
        "DELETE FROM rows WHERE ref = 'import-c'",
        "INSERT INTO rows (line, ref, account, amount) VALUES (9, 'import-x', 'ent1mallory', 5)",
        "DELETE FROM meta WHERE name = 'judged_ms'",
        "UPDATE meta SET value = 'soon' WHERE name = 'judged_ms'",
    ],
)
def test_the_rows_of_a_plan_are_those_of_the_file(tmp_path: Path, chain: MemoryChain, change: str) -> None:
    rows = [*ROWS, "a,m1,5,2030-12-31"]
    with planned(tmp_path, chain, HEADER, *rows) as plan:
        first, *_ = plan.open_items(0, 10)
        plan.settle([first], PAID, [])
    file = tmp_path / "members.csv"
    later = replace(chain.terms(), now_ms=chain.terms().now_ms + 20 * 365 * 86_400_000)
    with Plan(plan.path, "test") as again:
        assert has_rows_of(again, file, later, lambda count: None), "dates that have passed meanwhile are no fault"
        again._do(change)
        assert not has_rows_of(again, file, later, lambda count: None)
        again.restart()
        assert (again.reused, again.count("rows"), again.count("members")) == (False, 0, 0)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, chain: MemoryChain) -> None:
    file = write_csv(tmp_path / "members.csv", HEADER, *ROWS)
    digest = digest_of(file)

    def change(count: int) -> None:
        write_csv(file, HEADER, *ROWS, "e,m9,1,")

    path = tmp_path / "plan"
    with Plan(path, "test") as plan, pytest.raises(FileRefused, match="has changed while it was read"):
        read_into(plan, file, digest, chain.terms(), change)
    with Plan(path, "test") as plan:
        assert not plan.reused
        assert plan.count("rows") == 0


def test_rejects_go_by_the_files_own_refs(tmp_path: Path, chain: MemoryChain) -> None:
    file = write_csv(tmp_path / "m.csv", HEADER, "import-a,m1,5,", "import-a,m1,5,", "import-b,m1,x,", "c,m1,5,")
    with Plan(tmp_path / "plan", "test", "import-") as plan:
        read_into(plan, file, digest_of(file), chain.terms(), lambda count: None)
        plan.refuse([(item, "FROZEN: no") for item in plan.open_items(0, 10)])
        assert [(reject.line, reject.ref) for reject in plan.rejects()] == [
            (2, "import-a"),
            (3, "import-a"),
            (4, "import-b"),
            (5, "c"),
        ]


def test_totals_are_told_by_state_and_date(
    tmp_path: Path, chain: MemoryChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ["a,m,1,2030-01-31", "b,m,2,2030-01-31", "c,m,4,2031-01-31", "d,m,8,", "e,m,16,2032-01-31", "f,m,32,"]
    with planned(tmp_path, chain, HEADER, *rows) as plan:
        a, b, c, _, e, f = plan.open_items(0, 10)
        plan.settle([a, c], PAID, [])
        plan.settle([b], FOUND, [])
        plan.refuse([(f, "no")])
        totals = totals_of(plan)
        assert totals["open"] == {"rows": 2, "points": 24}
        assert totals["paid"] == {"rows": 2, "points": 5}
        assert totals["paid_before"] == {"rows": 1, "points": 2}
        dates = [(entry["expires"], entry["rows"], entry["points"]) for entry in totals["by_date"]]
        assert [date[1:] for date in dates] == [(2, 3), (1, 4), (1, 16), (1, 8)]
        assert dates[0][0] == a.expires
        assert dates[2][0] == e.expires
        assert dates[3][0] is None, "the program's rule comes last"
        monkeypatch.setattr(importing, "MAX_DATES_TOLD", 2)
        assert totals_of(plan)["further_dates"] == {"dates": 2, "rows": 2, "points": 24}
