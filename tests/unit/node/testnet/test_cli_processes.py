"""Stopping and recognising processes: only what really runs a home folder is ours to signal.

Small Python processes with a node's command line stand for nodes.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from genesis.testnet import TestnetManifest, TestnetValidator, create_testnet, load_manifest, save_manifest
from node.terminal.interrupts import end_like_ctrl_c, interrupts_held
from node.terminal.output import CliError
from node.testnet import processes as under_test
from node.testnet.processes import last_log_line, running_pid, start_node, start_validators, stop_nodes, wait_ready

POLITE = "print('up', flush=True); import time; time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + POLITE


class Nodes:
    """Starts stand-ins for nodes and ends them after the test."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, source: str, *arguments: str) -> TestnetValidator:
        command = [sys.executable, "-c", source, *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        return TestnetValidator(
            "aurora", "aurora", "http://127.0.0.1:9", "127.0.0.1:9", str(self.home), process.pid
        )


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    made = Nodes(tmp_path)
    yield made
    for process in made.started:
        process.kill()
        process.communicate()


def test_a_running_node_is_recognised_by_its_home(nodes: Nodes, tmp_path: Path) -> None:
    validator = nodes.start(POLITE, "-m", "node.cli.main", "node", "start", "--home", str(tmp_path))
    assert running_pid(validator) == validator.pid
    other_home = msgspec.structs.replace(validator, home=str(tmp_path / "other"))
    assert running_pid(other_home) is None


@pytest.mark.parametrize("pid", [None, 0, 1, -1, 2**22 + 1, 2**70])
def test_what_is_no_process_of_ours(tmp_path: Path, pid: int | None) -> None:
    assert running_pid(TestnetValidator("a", "a", "", "", str(tmp_path), pid)) is None


def test_a_stale_id_of_somebody_elses_process_is_left_alone(nodes: Nodes, tmp_path: Path) -> None:
    validator = nodes.start(POLITE, "something", "else", str(tmp_path))
    assert running_pid(validator) is None
    assert stop_nodes([validator]) == []
    assert nodes.started[0].poll() is None


def test_a_node_that_has_ended_does_not_run_though_nobody_has_waited_for_it(nodes: Nodes, tmp_path: Path) -> None:
    validator = nodes.start(POLITE, "node.cli.main", str(tmp_path))
    process = nodes.started[0]
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert running_pid(validator) is None
    assert stop_nodes([validator]) == []
    assert process.wait(5) == -signal.SIGKILL, "its exit code is left to whoever has started it"


def test_an_id_that_goes_to_another_process_in_between_is_left_alone(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validator = nodes.start(POLITE, "node.cli.main", str(tmp_path))
    recognised = psutil.Process(validator.pid)
    recognised._ident = (validator.pid, 0.0)  # of a process that was started at another time
    monkeypatch.setattr(under_test, "_process_of", lambda _: recognised)
    under_test._signal(validator, signal.SIGKILL)
    nodes.started[0].terminate()
    assert nodes.started[0].wait(5) == -signal.SIGTERM


def test_stop_asks_first(nodes: Nodes, tmp_path: Path) -> None:
    validator = nodes.start(POLITE, "node.cli.main", str(tmp_path))
    assert stop_nodes([validator]) == [validator]
    assert nodes.started[0].wait(5) == -signal.SIGTERM
    assert stop_nodes([validator]) == []


def test_stop_insists(nodes: Nodes, tmp_path: Path) -> None:
    validator = nodes.start(STUBBORN, "node.cli.main", str(tmp_path))
    assert stop_nodes([validator], grace_s=0.1) == [validator]
    assert nodes.started[0].wait(5) == -signal.SIGKILL


@pytest.fixture
def manifest(tmp_path: Path) -> TestnetManifest:
    return create_testnet(tmp_path / "net", rpc_port=9745)


def test_start_writes_the_ids_and_starts_nothing_twice(
    manifest: TestnetManifest, nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(home: Path) -> subprocess.Popen[bytes]:
        nodes.home = home
        nodes.start(POLITE, "node.cli.main", str(home))
        return nodes.started[-1]

    monkeypatch.setattr(under_test, "start_node", start)
    updated, started = start_validators(tmp_path / "net", manifest)
    assert list(started) == ["aurora", "basil", "comet", "dune"]
    assert load_manifest(tmp_path / "net") == updated
    assert [v.pid for v in updated.validators] == [process.pid for process in started.values()]
    stop_nodes(updated.validators[3:])
    again, started = start_validators(tmp_path / "net", updated)
    assert list(started) == ["dune"]
    assert again.validators[:3] == updated.validators[:3]


def test_a_node_that_ends_while_starting_is_told_with_its_last_word(
    manifest: TestnetManifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "is_ready", lambda url: False)
    home = Path(manifest.validators[0].home)
    (home / "node.log").write_text("started\nError: the disk is full\n")
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    process.wait()
    with pytest.raises(CliError, match=r"aurora's node ended with code 3: Error: the disk is full"):
        wait_ready(manifest, {"aurora": process})


def test_waiting_ends(manifest: TestnetManifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "is_ready", lambda url: url.endswith("9745"))
    with pytest.raises(CliError, match="not ready after 0 s: basil, comet, dune"):
        wait_ready(manifest, {}, timeout_s=0)
    monkeypatch.setattr(under_test, "is_ready", lambda url: True)
    wait_ready(manifest, {}, timeout_s=0)


def test_a_node_that_was_ending_when_the_others_started(manifest: TestnetManifest) -> None:
    ended = [msgspec.structs.replace(validator, pid=2**22 + 1) for validator in manifest.validators]
    with pytest.raises(CliError, match="aurora's node was about to end"):
        wait_ready(msgspec.structs.replace(manifest, validators=tuple(ended)), {}, timeout_s=0)


def test_last_log_line(tmp_path: Path) -> None:
    assert last_log_line(tmp_path) == ""
    (tmp_path / "node.log").write_bytes(b"")
    assert last_log_line(tmp_path) == ""
    (tmp_path / "node.log").write_bytes(b"x" * 10_000 + b"\nlast \xff\n\n")
    assert last_log_line(tmp_path) == "last \ufffd"


def test_a_running_testnet_is_asked_where_it_runs(manifest: TestnetManifest, nodes: Nodes, tmp_path: Path) -> None:
    from node.cli.transaction_commands import node_url

    directory = tmp_path / "net"
    assert node_url(None, directory) == "http://127.0.0.1:9745"
    nodes.home = Path(manifest.validators[2].home)
    running = nodes.start(POLITE, "node.cli.main", str(nodes.home))
    validators = list(manifest.validators)
    validators[2] = msgspec.structs.replace(validators[2], pid=running.pid)
    save_manifest(directory, msgspec.structs.replace(manifest, validators=tuple(validators)))
    assert node_url(None, directory) == "http://127.0.0.1:9747"
    assert node_url("http://elsewhere", directory) == "http://elsewhere"


def test_held_interrupts_come_after_the_block() -> None:
    reached = []

    def held() -> None:
        with interrupts_held():
            signal.raise_signal(signal.SIGINT)
            reached.append("the end of the block")

    with pytest.raises(KeyboardInterrupt):
        held()
    assert reached
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts_held():
            signal.raise_signal(signal.SIGHUP)
        end_like_ctrl_c()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_a_nodes_log_is_its_owners_only_whatever_the_umask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test.subprocess, "Popen", lambda *args, **kwargs: None)
    former = os.umask(0o022)
    try:
        start_node(tmp_path)
    finally:
        os.umask(former)
    assert stat.S_IMODE((tmp_path / "node.log").stat().st_mode) == 0o600
