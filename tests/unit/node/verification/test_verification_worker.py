"""One worker over its lives: killed, stopped, lying, not starting; what it holds, and what it ignores."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from node.verification import worker as module
from node.verification.frames import GREETING
from node.verification.worker import MAX_FRAMES, SOURCES, VerificationWorker
from tests.support.workers import eventually, good, has_ended, running, send_signal, wait_ended
from vm.transaction import SignatureCheck, signature_checks

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a stopped process with its parent")


def checks(count: int) -> list[SignatureCheck]:
    return [check for tx in good(count) for check in signature_checks(tx) or ()]


def program(text: str) -> list[str]:
    """Return a command that stands in for a worker; `pair` is its end, `size` reads a frame and returns its id."""
    head = (
        "import socket, struct, sys, time\n"
        "pair = socket.socket(fileno=0)\n"
        "stream = pair.makefile('rb')\n"
        "def ident():\n"
        "    size, = struct.unpack('>I', stream.read(4))\n"
        "    return struct.unpack_from('>I', stream.read(size))[0]\n"
        f"pair.sendall({GREETING!r})\n"
    )
    return [sys.executable, "-c", head + text]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.01)


async def test_frames_are_answered_in_order() -> None:
    async with running(VerificationWorker(1)) as worker:
        bad = [(domain, key, message, bytes(64)) for domain, key, message, _ in checks(3)]
        frames = [worker.send(some) for some in (checks(5), bad, [*bad, *checks(1)])]
        for frame in frames:
            assert frame is not None
            await asyncio.wait_for(frame.settled, 30)
        found = [[frame.verdict(i) for i in range(frame.count)] for frame in frames if frame is not None]
        assert found == [[True] * 5, [False] * 3, [False] * 3 + [True]]
        assert worker.frames_waiting == 0


async def test_a_killed_worker_loses_its_frames_and_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    async with running(VerificationWorker(1)) as worker:
        send_signal(worker, signal.SIGSTOP)
        frames = [worker.send(checks(4)) for _ in range(2)]
        with caplog.at_level(logging.WARNING):
            send_signal(worker, signal.SIGKILL)
            await eventually(lambda: worker.restarts == 1)
        assert [frame.is_answered for frame in frames if frame is not None and frame.settled.done()] == [False] * 2
        assert caplog.messages == ["verification worker 1 ended (exit code -9); starts again in 0.01 s"]
        await eventually(lambda: worker.is_running)
        frame = worker.send(checks(4))
        assert frame is not None
        await asyncio.wait_for(frame.settled, 30)
        assert frame.is_answered


async def test_a_stopped_worker_is_full_and_a_late_answer_gives_its_place_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LATE_SECONDS", 0.02)
    async with running(VerificationWorker(1)) as worker:
        send_signal(worker, signal.SIGSTOP)
        frames = [worker.send(checks(4)) for _ in range(MAX_FRAMES)]
        assert worker.is_running
        assert not worker.has_room
        for frame in frames:
            assert frame is not None
            await frame.wait()
            assert not frame.is_answered
        assert not worker.has_room
        send_signal(worker, signal.SIGCONT)
        await eventually(lambda: worker.frames_waiting == 0)
        assert worker.has_room
        assert worker.restarts == 0


async def test_a_worker_that_stands_still_is_killed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.01)
    async with running(VerificationWorker(1)) as worker:
        stopped, link = worker.pid, worker._link
        assert stopped is not None
        assert link is not None
        monkeypatch.setattr(module, "STANDSTILL_SECONDS", 0.05)
        monkeypatch.setattr(link, "_last_heard", 0.0)
        link.check_standstill()
        assert link.is_ready, "it owes nothing"
        send_signal(worker, signal.SIGSTOP)
        frame = worker.send(checks(4))
        with caplog.at_level(logging.WARNING):
            await eventually(lambda: worker.restarts == 1)
            monkeypatch.setattr(module, "STANDSTILL_SECONDS", 10.0)
        assert frame is not None
        assert frame.settled.done()
        assert not frame.is_answered
        assert not psutil.pid_exists(stopped)
        assert "(no answer for 0.05 s)" in caplog.messages[0]


@pytest.mark.parametrize(
    ("lie", "told"),
    [
        ("ident(); pair.sendall(b'nonsense'); time.sleep(99)", "not the answer to frame 0"),
        ("pair.sendall(struct.pack('>IHB', ident() + 1, 4, 15)); time.sleep(99)", "not the answer to frame 0"),
        ("i = ident(); pair.sendall(struct.pack('>IHB', i, 4, 31)); time.sleep(99)", "to more than 4 checks"),
        ("i = ident(); pair.sendall(struct.pack('>IHB', i, 4, 15) * 2); time.sleep(99)", "was not asked for"),
        ("ident(); pair.sendall(bytes(3)); sys.exit(3)", "exit code 3"),
        ("ident(); sys.exit(0)", "exit code 0"),
    ],
)
async def test_a_worker_that_lies_or_leaves_is_dropped(
    lie: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(VerificationWorker(1, program(lie))) as worker:
        pid = worker.pid
        assert pid is not None
        frame = worker.send(checks(4))
        with caplog.at_level(logging.WARNING):
            await eventually(lambda: worker.restarts == 1)
        assert told in caplog.messages[0]
        assert frame is not None
        assert frame.settled.done()
        assert not psutil.pid_exists(pid)


async def test_what_greets_otherwise_is_another_release_and_dropped(caplog: pytest.LogCaptureFixture) -> None:
    other = [sys.executable, "-c", "import os, time; os.write(0, b'entente\\x63'); time.sleep(99)"]
    with caplog.at_level(logging.WARNING):
        async with running(VerificationWorker(1, other), ready=False) as worker:
            await eventually(lambda: worker.restarts == 1)
            assert not worker.has_room
    assert "greeting" in caplog.messages[0]


async def test_one_that_cannot_be_started_is_tried_again_after_ever_longer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_PAUSE_SECONDS", 0.05)
    with caplog.at_level(logging.WARNING):
        async with running(VerificationWorker(1, [str(tmp_path / "missing")]), ready=False) as worker:
            await eventually(lambda: worker.restarts == 5)
            assert not worker.has_room
    assert all("cannot be started" in message for message in caplog.messages)
    pauses = [float(message.split()[-2]) for message in caplog.messages]
    assert pauses[:5] == [0.01, 0.02, 0.04, 0.05, 0.05]


async def test_a_worker_holds_nothing_of_the_node_and_heeds_no_signal_meant_for_it(tmp_path: Path) -> None:
    with open(tmp_path / "LOCK", "wb") as held:
        os.set_inheritable(held.fileno(), True)
        async with running(VerificationWorker(1)) as worker:
            assert worker.pid is not None
            process = psutil.Process(worker.pid)
            assert process.num_fds() == 3  # its end of the pair, /dev/null, standard error
            assert str(tmp_path / "LOCK") not in [file.path for file in process.open_files()]
            assert os.getsid(worker.pid) == worker.pid != os.getsid(0)
            for number in (signal.SIGINT, signal.SIGTERM):
                send_signal(worker, number)
            frame = worker.send(checks(4))
            assert frame is not None
            await asyncio.wait_for(frame.settled, 30)
            assert frame.is_answered
        assert not psutil.pid_exists(process.pid)


@pytest.mark.parametrize("stopped", [False, pytest.param(True, marks=LINUX)])
def test_a_worker_ends_with_its_node_by_whatever_means_that_ends(stopped: bool) -> None:
    node = subprocess.Popen(
        [sys.executable, "-c", NODE], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": SOURCES}
    )
    with node:
        assert node.stdout is not None
        worker = psutil.Process(int(node.stdout.readline()))
        assert not has_ended(worker)
        if stopped:
            worker.suspend()
        node.kill()
    wait_ended(worker)


NODE = """
import asyncio
from node.verification.worker import VerificationWorker

async def main():
    worker = VerificationWorker(1)
    running = asyncio.create_task(worker.run())
    while not worker.is_running:
        await asyncio.sleep(0.005)
    print(worker.pid, flush=True)
    await running

asyncio.run(main())
"""
