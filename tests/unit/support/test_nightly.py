"""A night of checks with steps that only pretend: what one does never keeps the others from running."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from tests.nightly import __main__ as nightly
from tests.nightly import running
from tests.nightly.running import MARK, ROOT, Result, last_line, run
from tests.nightly.steps import Step, steps_of

LIMIT_S = 77.0
"""Generous: no step of these tests takes it but those that must be ended."""


def step(source: str, name: str = "fake", limit_s: float = LIMIT_S, **fields: object) -> Step:
    return Step(name, "", ("-c", source), limit_s, **fields)  # type: ignore[arg-type]


def alive(pid: int) -> bool:
    try:
        return b"\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


def test_a_step_that_passes_tells_its_last_line(tmp_path: Path) -> None:
    outcome = run(
        step("print('1 ok'); print('\\x1b[32m7 seeds, 0 failed\\x1b[0m'); print('└──┘')"), tmp_path / "log"
    )
    assert (outcome.result, outcome.told) == (Result.PASSED, "7 seeds, 0 failed")
    assert (tmp_path / "log").read_text().startswith("$ python -c ")


@pytest.mark.parametrize(("figure", "told"), [(" kills in ", "9 kills in 5 s"), (" drinks ", "1 passed")])
def test_a_step_tells_the_line_with_its_figure_where_there_is_one(tmp_path: Path, figure: str, told: str) -> None:
    outcome = run(step("print('9 kills in 5 s'); print('1 passed')", figure=figure), tmp_path / "log")
    assert outcome.told == told


def test_errors_are_in_the_log_and_a_failed_step_tells_its_code(tmp_path: Path) -> None:
    outcome = run(step("raise SystemExit('no disk')"), tmp_path / "log")
    assert (outcome.result, outcome.told) == (Result.FAILED, "exit code 1; no disk")


def test_a_step_whose_needs_are_missing_is_not_run(tmp_path: Path) -> None:
    outcome = run(step("open('/nowhere/at all')", missing=lambda: "needs root"), tmp_path / "log")
    assert (outcome.result, outcome.told, outcome.seconds) == (Result.SKIPPED, "needs root", 0.0)


def test_a_step_sees_its_settings_and_nothing_of_what_make_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAKEFLAGS", "-- ARGS=--only\\ chaos")
    source = "import json, os; print(json.dumps([os.getcwd(), *map(os.environ.get, ('KILLS', 'MAKEFLAGS'))]))"
    outcome = run(step(source, environment={"KILLS": "50"}), tmp_path / "log")
    assert json.loads(outcome.told) == [str(ROOT), "50", None]


@pytest.fixture
def too_long(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let a step's time be over as soon as it says that it is up, however slow the machine is."""
    really = running._wait

    def wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
        if seconds == LIMIT_S:
            while "\nup\n" not in (tmp_path / "log").read_text():
                assert process.poll() is None
                time.sleep(0.01)
            return None
        return really(process, seconds)

    monkeypatch.setattr(running, "_wait", wait)


@pytest.mark.usefixtures("too_long")
def test_a_step_that_takes_too_long_may_clean_up_and_has_failed(tmp_path: Path) -> None:
    source = (
        "import time\ntry:\n    print('up')\n    time.sleep(600)\n"
        "except KeyboardInterrupt:\n    print('stopped the nodes')"
    )
    outcome = run(step(source), tmp_path / "log")
    assert outcome.result is Result.FAILED
    assert outcome.told == "ended after 77 s; stopped the nodes"


@pytest.mark.usefixtures("too_long")
def test_a_step_that_ignores_the_interrupt_is_killed(tmp_path: Path) -> None:
    source = "import os, signal, time; signal.signal(2, 1); print(os.getpid()); print('up'); time.sleep(600)"
    outcome = run(step(source), tmp_path / "log", grace_s=0.2)
    assert outcome.result is Result.FAILED
    assert not alive(int((tmp_path / "log").read_text().splitlines()[1]))


def test_a_limit_is_kept(tmp_path: Path) -> None:
    outcome = run(step("import time; time.sleep(600)", limit_s=0.1), tmp_path / "log")
    assert outcome.result is Result.FAILED
    assert outcome.seconds < 600


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="left processes are found in /proc")
def test_a_node_that_a_step_leaves_behind_is_ended_and_counts_as_a_failure(tmp_path: Path) -> None:
    node = "import time; time.sleep(600)"
    source = (
        f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {node!r}], start_new_session=True); "
        "print(p.pid)"
    )
    outcome = run(step(source), tmp_path / "log", settle_s=0.2)
    assert outcome.result is Result.FAILED
    reason, _, pid = outcome.told.partition("; ")
    assert reason == "1 processes were left behind"
    assert not alive(int(pid))


def test_processes_without_the_mark_are_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        env={**os.environ, MARK: "of another night"},
    ) as other:
        run(step("print('done')"), tmp_path / "log", settle_s=0.2)
        assert other.poll() is None
        other.communicate()


def played(steps: list[Step], folder: Path) -> tuple[int, str]:
    shown = io.StringIO()
    code = nightly.play(steps, folder, Console(file=shown, width=nightly.NARROW))
    return code, shown.getvalue()


def test_the_table_tells_of_every_step_and_the_exit_code_of_failures(tmp_path: Path) -> None:
    steps = [
        step("print('it broke'); raise SystemExit(3)", "first"),
        step("print('[bold] 9 kills')", "second"),
        step("", "third", missing=lambda: "needs root"),
    ]
    code, shown = played(steps, tmp_path)
    assert code == 1
    table = (tmp_path / "table.txt").read_text()
    assert table in shown
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in table.splitlines() if "│" in line]
    assert [[row[0], row[1], row[3]] for row in rows] == [
        ["first", "failed", "exit code 3; it broke"],
        ["second", "passed", "[bold] 9 kills"],
        ["third", "skipped", "needs root"],
    ]
    assert "1 passed, 1 failed, 1 skipped, 0 not run" in shown
    assert played(steps[1:], tmp_path)[0] == 0


def test_ctrl_c_ends_the_step_and_prints_what_was_done(tmp_path: Path) -> None:
    interrupt = f"import os, time; os.kill({os.getpid()}, {int(signal.SIGINT)}); time.sleep(600)"
    code, shown = played([step("print('fine')", "first"), step(interrupt, "second"), step("", "third")], tmp_path)
    assert code == 130
    assert "1 passed, 0 failed, 0 skipped, 2 not run" in shown
    assert not (tmp_path / "third.log").exists()


def test_steps_are_chosen_by_name_and_an_unknown_name_is_an_error() -> None:
    found = CliRunner().invoke(nightly.main, ["--list", "--only", "model", "--only", "kill"])
    assert found.exit_code == 0
    assert "model" in found.output
    assert "mutants" not in found.output
    refused = CliRunner().invoke(nightly.main, ["--only", "modle"])
    assert refused.exit_code == 2
    assert "there is no step modle" in refused.output


def test_logs_of_nights_long_ago_are_deleted_and_other_folders_stay(tmp_path: Path) -> None:
    for day in range(1, 21):
        (tmp_path / f"2026-01-{day:02}T03-00-00").mkdir()
    (tmp_path / "mine").mkdir()
    made = nightly.make_folder(tmp_path)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert len(left) == nightly.NIGHTS_KEPT + 1
    assert made.name in left
    assert "mine" in left
    assert "2026-01-08T03-00-00" in left
    assert "2026-01-07T03-00-00" not in left


def test_every_step_names_programs_and_tests_that_exist() -> None:
    steps = steps_of(20_000)
    assert len({each.name for each in steps}) == len(steps)
    for each in steps:
        files = [ROOT / word for word in each.command if word.endswith(".py")]
        if each.command[0] == "-m" and each.command[1] != "pytest":
            program = ROOT / each.command[1].replace(".", "/")
            files.append(program / "__main__.py" if program.is_dir() else program.with_suffix(".py"))
        assert files
        assert all(file.is_file() for file in files), each


def test_each_night_has_other_ledger_seeds() -> None:
    nights = [{each.name: each for each in steps_of(night)}["soak-ledger"].environment for night in (7, 8)]
    assert [night["LEDGER_SEEDS"] for night in nights] == ["1400-1599", "1600-1799"]


def test_the_last_line_of_a_long_log_is_found(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("x" * 200_000 + "\nhalf\rdone 5\n\n  ━━━━ \n")
    assert last_line(log) == "done 5"
