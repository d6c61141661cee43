"""What `entente import` and `entente export` print, ask and leave behind."""

from __future__ import annotations

import csv
import json
import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from node.cli import moving_commands, moving_import
from node.cli.main import main
from node.moving.errors import Stopped
from tests.contract_harness import account_of
from tests.support.moving import MemoryChain, write_csv

HEADER = "ref,member,amount,expires"
ROWS = [f"r{i},m{i},{i + 1},2030-12-31" for i in range(10)]
POINTS = 55


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> MemoryChain:
    """Let the commands speak to a chain in memory, on which aurora's issuer signs."""
    made = MemoryChain()
    monkeypatch.setattr(moving_commands, "NodeChain", lambda client, keys: made)
    monkeypatch.setattr(moving_commands, "signing_keys", lambda *arguments: [Key()])
    monkeypatch.setattr(moving_import, "address_of_key", account_of)
    return made


class Key:
    """Stands for the issuer's key."""

    public_key = "aurora-issuer"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "members.csv", HEADER, *ROWS)


def run(*arguments: str | Path, stdin: str = "") -> Result:
    return CliRunner().invoke(
        main, [*map(str, arguments), "--rpc", "http://127.0.0.1:9"], stdin, prog_name="entente"
    )


def write_private(path: Path, content: str) -> None:
    path.write_text(content)
    path.chmod(0o600)


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def rejected_rows(file: Path) -> list[list[str]]:
    with file.open(newline="", encoding="utf-8") as text:
        return list(csv.reader(text))


def moving(file: Path, *more: str) -> list[str | Path]:
    return ["import", file, "--program", "miles", "--salt", file.with_name("salt"), *more]


def test_an_import_from_the_dry_run_to_the_second_run(chain: MemoryChain, file: Path) -> None:
    dry = run(*moving(file, "--new-salt", "--dry-run"))
    assert dry.exit_code == 0, dry.output
    assert "to be paid   10 rows, 55 points" in dry.stdout
    assert "members      10 new, 0 known" in dry.stdout
    assert "Nothing was written on the chain." in dry.stderr
    assert [path.name for path in file.parent.iterdir()] == ["members.csv"]
    assert not chain.sent

    refused = run(*moving(file, "--new-salt"), stdin="n\n")
    assert refused.exit_code == 1
    assert f"Issue {POINTS} points on " in refused.stderr
    assert "10 rows with 55 points for 10 members by id" in refused.stderr
    assert not chain.sent

    done = run(*moving(file), stdin="y\n")
    assert done.exit_code == 0, done.output
    assert "paid           10 rows, 55 points" in done.stdout
    assert "grown by       55, which is what was paid" in done.stdout
    assert "this run goes on from there" in done.stderr

    again = run(*moving(file, "--yes", "--json"))
    report = json.loads(again.stdout)
    assert (report["points"], report["transactions"], report["paid"]) == (0, 0, {"rows": 10, "points": POINTS})
    assert chain.supply()["issued"] == POINTS


def test_rejected_rows_are_counted_written_and_end_with_1(chain: MemoryChain, file: Path) -> None:
    write_csv(file, HEADER, *ROWS, 'x,m1,"1,000",', "r3,m1,5,")
    done = run(*moving(file, "--new-salt", "--yes"))
    assert done.exit_code == 1
    rejects = file.with_name("members.csv.rejects.csv")
    assert f"2 rows are not taken; {rejects} says why." in done.stderr
    assert [row[:2] for row in rejected_rows(rejects)] == [["line", "ref"], ["12", "x"], ["13", "r3"]]
    assert chain.supply()["issued"] == POINTS
    write_csv(file, HEADER, "x,m1,-1,")
    assert "1 row is not taken" in run(*moving(file, "--yes")).stderr


def test_refs_of_rejected_rows_are_no_formulas_and_can_be_had_back(chain: MemoryChain, file: Path) -> None:
    refs = ["=1+1|cmd", "＝1", "'x", "a;=HYPERLINK(B1)", "r" * 60]
    write_csv(file, HEADER, *[f"{ref},m1,nothing," for ref in refs])
    run(*moving(file, "--new-salt", "--yes"))
    rejects = file.with_name("members.csv.rejects.csv")
    found = [row[1] for row in rejected_rows(rejects)[1:]]
    assert found == ["'=1+1|cmd", "'＝1", "''x", "a;=HYPERLINK(B1)", "r" * 60]
    assert [ref.removeprefix("'") for ref in found] == refs
    assert ',"a;=HYPERLINK(B1)",' in rejects.read_text(encoding="utf-8")


@pytest.mark.parametrize("dry", [True, False])
@pytest.mark.parametrize(
    ("rejects", "words"),
    [
        ("members.csv", "is the file to import and the file of rejects at once"),
        ("sub/../members.csv", "is the file to import and the file of rejects at once"),
        ("linked.csv", "is the file to import and the file of rejects at once"),
        ("pointer.csv", "is the file to import and the file of rejects at once"),
        ("salt", "is the salt and the file of rejects at once"),
        ("members.csv.import", "is the plan of the import and the file of rejects at once"),
        ("members.csv.import-journal", "is a journal of the plan and the file of rejects at once"),
        ("key.json", "is a file with a key or passphrase and the file of rejects at once"),
        ("passphrase", "is a file with a key or passphrase and the file of rejects at once"),
        ("other.csv", "holds no rejects of an import"),
        ("empty", "holds no rejects of an import"),
        ("elsewhere.csv", "is no regular file"),
    ],
)
def test_rejects_take_the_place_of_no_other_file(
    chain: MemoryChain, file: Path, rejects: str, words: str, dry: bool
) -> None:
    contents = {"salt": "ab" * 32, "key.json": "{}", "passphrase": "p", "other.csv": "line;ref\n", "empty": ""}
    for name, content in contents.items():
        write_private(file.with_name(name), content)
    file.with_name("sub").mkdir()
    file.with_name("linked.csv").hardlink_to(file)
    file.with_name("pointer.csv").symlink_to(file)
    file.with_name("elsewhere.csv").symlink_to(file.with_name("other.csv"))
    before = contents_of(file.parent)
    secrets = ["--key", str(file.with_name("key.json")), "--passphrase-file", str(file.with_name("passphrase"))]
    options = ["--dry-run"] if dry else ["--yes"]
    told = run(*moving(file, "--rejects", f"{file.parent}/{rejects}", *secrets, *options))
    assert told.exit_code == 1
    assert words in told.stderr
    assert contents_of(file.parent) == before
    assert not chain.sent


def test_a_plan_and_a_salt_are_no_file_of_another_use(chain: MemoryChain, file: Path) -> None:
    for salt in (file, file.with_name("members.csv.import"), file.with_name("members.csv.rejects.csv")):
        before = contents_of(file.parent)
        told = run("import", file, "--program", "miles", "--salt", salt, "--new-salt", "--yes")
        assert (told.exit_code, "at once; nothing was read or written" in told.stderr) == (1, True)
        assert contents_of(file.parent) == before
    assert not chain.sent


def test_rejects_of_an_earlier_run_go_also_in_their_former_form(chain: MemoryChain, file: Path) -> None:
    rejects = file.with_name("members.csv.rejects.csv")
    rejects.write_bytes(b"line,ref,reason\r\n12,x,no\r\n")
    done = run(*moving(file, "--new-salt", "--dry-run"))
    assert done.exit_code == 0, done.output
    assert not rejects.exists()


def test_a_file_that_comes_while_rows_are_paid_is_not_written_over(chain: MemoryChain, file: Path) -> None:
    rejects = file.with_name("members.csv.rejects.csv")

    def come(count: int) -> None:
        rejects.write_text("mine")

    chain.before_sending = come
    told = run(*moving(file, "--new-salt", "--yes"))
    assert (told.exit_code, "holds no rejects of an import" in told.stderr) == (1, True)
    assert rejects.read_text() == "mine"


def test_a_plan_with_rows_that_the_file_does_not_have_pays_nobody(chain: MemoryChain, file: Path) -> None:
    run(*moving(file, "--new-salt"), stdin="n\n")
    other = account_of("basil-issuer")  # The chain knows it, so that it could be paid.
    with sqlite3.connect(file.with_name("members.csv.import")) as db:
        db.execute("UPDATE rows SET account = ?, commitment = NULL", (other,))
    db.close()
    done = run(*moving(file, "--yes"))
    assert done.exit_code == 0, done.output
    assert f"has other rows than {file}; it is made anew" in done.stderr
    assert chain.supply()["issued"] == POINTS
    assert chain.chain.view("token_balance", program="miles", account=other)["available"] == 0


def test_an_interrupt_ends_with_a_report_and_the_next_run_goes_on(
    chain: MemoryChain, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.moving.sending.FIRST_ROWS", 2)
    monkeypatch.setattr("node.moving.sending.MAX_ROWS", 2)
    chain.before_sending = lambda count: os.kill(os.getpid(), signal.SIGINT) if count == 3 else None
    stopped = run(*moving(file, "--new-salt", "--yes", "--in-flight", "1", "--json"))
    assert stopped.exit_code == 1
    report = json.loads(stopped.stdout)
    (problem,) = report["problems"]
    assert problem.startswith("interrupted")
    assert 0 < report["paid"]["rows"] < 10
    assert report["paid"]["rows"] + report["open"]["rows"] == 10
    done = run(*moving(file, "--yes"))
    assert done.exit_code == 0, done.output
    assert chain.supply()["issued"] == POINTS


def test_an_interrupt_ends_reading_and_asks_for_nothing(
    chain: MemoryChain, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.moving.reading.TELL_EVERY", 1)
    update = moving_import.Bar.update

    def interrupted(self: Any, done: int, words: str = "") -> None:
        os.kill(os.getpid(), signal.SIGINT)
        update(self, done, words)

    monkeypatch.setattr(moving_import.Bar, "update", interrupted)
    ended = run(*moving(file, "--new-salt", "--yes"))
    assert ended.exit_code == 1
    assert "Aborted!" in ended.stderr
    assert not chain.sent


def test_what_stops_an_import_is_told_with_what_is_left(chain: MemoryChain, file: Path) -> None:
    def gone(count: int) -> None:
        raise Stopped("no answer from http://127.0.0.1:9/")

    chain.before_sending = gone
    stopped = run(*moving(file, "--new-salt", "--yes"))
    assert stopped.exit_code == 1
    assert "still open  10 rows, 55 points" in stopped.stdout
    assert "Error: no answer from http://127.0.0.1:9/; the same command goes on from here." in stopped.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--program", "nope", "--salt", "salt", "--new-salt"], "the program nope: no such program"),
        (["--program", "miles"], "the column member needs --salt FILE"),
        (["--program", "miles", "--salt", "none"], "the salt file none does not exist"),
        (["--program", "miles", "--prefix", "two words"], "--prefix is up to 63 printable"),
    ],
)
def test_mistakes_are_told_in_one_line(chain: MemoryChain, file: Path, arguments: list[str], words: str) -> None:
    told = run("import", file, *arguments, "--yes")
    assert told.exit_code == 1
    assert words in told.stderr
    assert len(told.stderr.strip().splitlines()) == 1
    assert not chain.sent


def test_a_key_without_the_role_and_a_cap_are_found_before_anything_is_sent(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program, signer, words in (({}, "basil-issuer", "is no issuer of aurora"), ({"cap": 54}, "", "cap of 54")):
        made = MemoryChain(**program)
        monkeypatch.setattr(moving_commands, "NodeChain", lambda client, keys, made=made: made)
        monkeypatch.setattr(moving_commands, "signing_keys", lambda *arguments: [Key()])
        monkeypatch.setattr(moving_import, "address_of_key", lambda key, signer=signer: account_of(signer or key))
        salt = [] if file.with_name("salt").exists() else ["--new-salt"]
        told = run(*moving(file, "--yes", *salt))
        assert told.exit_code == 1
        assert words in told.stderr
        assert not made.sent


def test_an_export_is_told_and_replaces_no_file_unasked(chain: MemoryChain, file: Path) -> None:
    run(*moving(file, "--new-salt", "--yes"))
    out = file.with_name("out.csv")
    done = run("export", "--program", "miles", "--out", out)
    assert done.exit_code == 0, done.output
    assert "holders      10" in done.stdout
    assert "outstanding  55 by the program's supply" in done.stdout
    assert len(out.read_text().splitlines()) == 11
    again = run("export", "--program", "miles", "--out", out)
    assert (again.exit_code, "exists; --force replaces it" in again.stderr) == (1, True)
