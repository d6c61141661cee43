"""Printing the validators' logs, the lines of several ones told apart by their brand."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import click

from genesis.testnet import TestnetValidator
from node.testnet.processes import LOG_FILE

FOLLOW_POLL_S = 0.2


def last_lines(validators: Sequence[TestnetValidator], count: int) -> None:
    """Print the last `count` lines of each log."""
    for validator in validators:
        try:
            with _log(validator).open(encoding="utf-8", errors="replace") as log:
                lines = deque(log, count)
        except FileNotFoundError:
            continue
        for line in lines:
            _print(validator, line, len(validators) > 1)


def follow_logs(validators: Sequence[TestnetValidator]) -> None:
    """Print what is appended to the logs, until interrupted."""
    positions = {v.brand: _log(v).stat().st_size if _log(v).exists() else 0 for v in validators}
    named = len(validators) > 1
    while True:
        for validator in validators:
            positions[validator.brand] = print_from(validator, positions[validator.brand], named)
        time.sleep(FOLLOW_POLL_S)


def print_from(validator: TestnetValidator, position: int, named: bool) -> int:
    """Print the whole lines that stand after `position`; return the position after them."""
    path = _log(validator)
    if not path.exists():
        return 0
    with path.open("rb") as log:
        # A log that is shorter than before was begun anew.
        log.seek(position if path.stat().st_size >= position else 0)
        chunk = log.read()
        whole, newline, _ = chunk.rpartition(b"\n")
        for line in whole.decode("utf-8", "replace").splitlines():
            _print(validator, line, named)
        return log.tell() - len(chunk) + len(whole) + len(newline)


def _log(validator: TestnetValidator) -> Path:
    return Path(validator.home) / LOG_FILE


def _print(validator: TestnetValidator, line: str, named: bool) -> None:
    text = line.rstrip("\n")
    click.echo(f"{validator.brand:<8} {text}" if named else text)
