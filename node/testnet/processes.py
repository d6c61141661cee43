"""The processes of a local testnet's validators: starting, recognising, stopping.

A process is known by its id, which the system gives to others once it has ended: before a signal is sent, the
process's command line must be the one that was started for that home folder, and psutil compares the moment when
the process was started, so that an id that has changed hands in between is left alone.

Invariants:
    1. No signal goes to a process that is not a node of the home folder it is said to run.
    2. Each node is a session of its own: Ctrl-C in the terminal reaches the command, which stops its nodes.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import psutil

from genesis.durable_files import private
from genesis.testnet import TestnetManifest, TestnetValidator, save_manifest
from node.client.probe import is_ready
from node.runtime.config import load_config
from node.terminal.output import CliError

LOG_FILE = "node.log"
POLL_S = 0.05
READY_POLL_S = 0.1
READY_TIMEOUT_S = 60.0

Processes = Mapping[str, "subprocess.Popen[bytes]"]
"""The processes that this command has started, by brand."""


def start_node(home: Path) -> subprocess.Popen[bytes]:
    """Start a node as a process of its own, its output appended to <home>/node.log."""
    # -P keeps the current folder out of the child's module path: a `node.py` there must not be taken for ours.
    command = [sys.executable, "-P", "-m", "node.cli.main", "node", "start", "--home", str(home)]
    with open(home / LOG_FILE, "ab", opener=private) as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def running_pid(validator: TestnetValidator) -> int | None:
    """Return the id of the validator's process, or None where it does not run (any more)."""
    process = _process_of(validator)
    return None if process is None else process.pid


def _process_of(validator: TestnetValidator) -> psutil.Process | None:
    if validator.pid is None or validator.pid <= 1:
        return None
    try:
        process = psutil.Process(validator.pid)
        # An ended process that its parent has not waited for raises ZombieProcess: it has no command line any more.
        arguments = process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return process if "node.cli.main" in arguments and validator.home in arguments else None


def stop_nodes(validators: Sequence[TestnetValidator], grace_s: float = 10.0) -> list[TestnetValidator]:
    """End the validators' processes: SIGTERM, and SIGKILL for those that run on after `grace_s`.

    Returns:
        The validators that had been running.
    """
    running = [validator for validator in validators if running_pid(validator) is not None]
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        for validator in running:
            _signal(validator, signal_number)
        if _have_ended(running, grace_s):
            return running
    left = ", ".join(f"{v.brand} (process {v.pid})" for v in running if running_pid(v) is not None)
    raise CliError(f"{left} cannot be ended")


def _signal(validator: TestnetValidator, signal_number: signal.Signals) -> None:
    process = _process_of(validator)
    if process is None:
        return
    try:
        process.send_signal(signal_number)
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied:
        raise CliError(f"{validator.brand} (process {process.pid}) belongs to another user") from None


def _have_ended(validators: Sequence[TestnetValidator], within_s: float) -> bool:
    # psutil.wait_procs would take the exit codes of our own children away from those who started them, and
    # waits in vain for a process that has ended and that another one has started and not waited for.
    deadline = time.monotonic() + within_s
    while any(running_pid(validator) is not None for validator in validators):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def check_ports(validators: Sequence[TestnetValidator]) -> None:
    """Make sure that the validators' ports are free.

    Raises:
        CliError: one is in use or not permitted.
    """
    for validator in validators:
        config = load_config(Path(validator.home))
        for use, host, port in (
            ("RPC", config.rpc_host, config.rpc_port),
            ("peers", config.p2p_host, config.p2p_port),
        ):
            problem = _port_problem(host, port)
            if problem is not None:
                raise CliError(
                    f"port {port}, for {validator.brand}'s {use}, {problem}; choose others with --rpc-port"
                )


def start_validators(directory: Path, manifest: TestnetManifest) -> tuple[TestnetManifest, Processes]:
    """Start the validators that do not run, and write their process ids to the manifest.

    Raises:
        CliError: one of their ports is in use, or a process cannot be started.
    """
    stopped = [validator for validator in manifest.validators if running_pid(validator) is None]
    check_ports(stopped)
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for validator in stopped:
            processes[validator.brand] = start_node(Path(validator.home))
    except OSError as error:
        for process in processes.values():
            process.kill()
        raise CliError(f"a validator's process cannot be started: {error}") from None
    updated = msgspec.structs.replace(
        manifest,
        validators=tuple(
            [
                msgspec.structs.replace(validator, pid=processes[validator.brand].pid)
                if validator.brand in processes
                else validator
                for validator in manifest.validators
            ]
        ),
    )
    save_manifest(directory, updated)
    return updated, processes


def wait_ready(manifest: TestnetManifest, processes: Processes, timeout_s: float = READY_TIMEOUT_S) -> None:
    """Wait until every validator says that it is ready.

    Raises:
        CliError: a process has ended, or the time is over; the message says why.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        for brand, process in processes.items():
            code = process.poll()
            if code is not None:
                home = Path(manifest.validator(brand).home)
                raise CliError(
                    f"{brand}'s node ended with code {code}: {last_log_line(home) or 'no word in its log'}"
                )
        for validator in manifest.validators:
            if validator.brand not in processes and validator.pid is not None and running_pid(validator) is None:
                raise CliError(f"{validator.brand}'s node was about to end, and has; give the command again")
        waiting = [validator.brand for validator in manifest.validators if not is_ready(validator.rpc)]
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise CliError(f"not ready after {timeout_s:.0f} s: {', '.join(waiting)}; see `entente testnet logs`")
        time.sleep(READY_POLL_S)


def last_log_line(home: Path) -> str:
    """Return the last line that a node wrote, or nothing."""
    try:
        with (home / LOG_FILE).open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - 4_096))
            lines = log.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""


def _port_problem(host: str, port: int) -> str | None:
    # Binding is the only question that the system answers for ports of other users too, and for those below 1024.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
    return None
