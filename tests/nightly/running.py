"""Running one step: its output goes to a log, its time is limited, and none of its processes stays behind.

A step starts processes that start others in sessions of their own, so a signal to the group does not reach all of
them. So each process of a step inherits a mark in its environment, by which it is found in /proc. Where there is
no /proc, only the group is ended.

Invariants:
    1. When `run` returns, no process of the step runs on, but one that not even SIGKILL ends.
    2. A signal goes to the step's own process group and to processes that carry its mark, to no others.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from .steps import Step

ROOT = Path(__file__).resolve().parents[2]
MARK = "ENTENTE_NIGHTLY_STEP"
GRACE_S = 60.0
"""From the interrupt, at which a step stops its nodes, to the kill."""

SETTLE_S = 5.0
"""In which what a step has stopped may still end; what runs on after that was left behind."""

KILLED_S = 30.0
"""After which a killed process that is still there hangs in the kernel, and is left to it."""

POLL_S = 0.05
TAIL_BYTES = 65_536
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Result(Enum):
    """How a step has ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Outcome:
    """What became of a step: `told` is its last line, or why it was skipped or ended."""

    step: Step
    result: Result
    seconds: float
    told: str


def run(step: Step, log: Path, grace_s: float = GRACE_S, settle_s: float = SETTLE_S) -> Outcome:
    """Run a step, its output going to a log; an interrupt ends the step and is raised again."""
    began = time.monotonic()
    if missing := step.missing():
        return Outcome(step, Result.SKIPPED, 0.0, missing)
    mark = uuid.uuid4().hex
    with log.open("wb") as output:
        output.write(f"{_shown(step)}\n".encode())
        output.flush()
        process = subprocess.Popen(
            [sys.executable, *step.command],
            cwd=ROOT,
            env=_environment(step, mark),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = _wait(process, step.limit_s)
            if code is None:
                _end_group(process, grace_s)
        finally:
            left = _end_marked(mark, process, settle_s)
    seconds = time.monotonic() - began
    last = last_line(log)
    if code is None:
        return Outcome(step, Result.FAILED, seconds, f"ended after {step.limit_s:.0f} s; {last}")
    if code != 0:
        return Outcome(step, Result.FAILED, seconds, f"exit code {code}; {last}")
    if left:
        return Outcome(step, Result.FAILED, seconds, f"{left} processes were left behind; {last}")
    return Outcome(step, Result.PASSED, seconds, last_line(log, step.figure) or last)


def last_line(log: Path, holding: str = "") -> str:
    """Return the last line of a log that says something and holds a text, without colours; "" where none does."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL_BYTES))
        text = _COLOURS.sub("", file.read().decode(errors="replace"))
    lines = [line.strip() for line in re.split(r"[\r\n]", text)]
    return next((line for line in reversed(lines) if re.search(r"\w", line) and holding in line), "")


def _shown(step: Step) -> str:
    settings = [f"{name}={value}" for name, value in step.environment.items()]
    return " ".join(["$", *settings, "python", shlex.join(step.command)])


def _environment(step: Step, mark: str) -> Mapping[str, str]:
    # What make has been told (ARGS=…) is for the night, and not for a make that a step may start.
    kept = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    return {**kept, **step.environment, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", MARK: mark}


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def _end_group(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """Interrupt a step, which stops what it has started; kill it where it does not end."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        if _wait(process, grace_s) is not None:
            return
    raise RuntimeError(f"process {process.pid} cannot be killed")


def _end_marked(mark: str, process: subprocess.Popen[bytes], settle_s: float) -> int:
    """End what carries a step's mark; return how many processes did not end by themselves."""
    if process.poll() is None:  # the night itself was interrupted
        _end_group(process, settle_s)
    left = _wait_for_marked(mark, settle_s)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _wait_for_marked(mark, KILLED_S)
    return len(left)


def _wait_for_marked(mark: str, seconds: float) -> list[int]:
    """Wait until no process carries a mark; return those that do after some time."""
    deadline = time.monotonic() + seconds
    while (left := _marked(mark)) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return left


def _marked(mark: str) -> list[int]:
    entry = f"{MARK}={mark}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        # A process that is another user's, or has just ended, is not the step's.
        with contextlib.suppress(OSError):
            if entry in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found
