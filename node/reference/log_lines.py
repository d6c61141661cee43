"""The generated part of docs/reference-log.md: every line of level WARNING and above, from the calls that write it.

    python -m node.reference.log_lines docs/reference-log.md      rewrites it in place

A line is known by its text, with a parameter's place as `%s`. What an operator does about it stands below, as the
code cannot know it. The test of the page fails where a line has no such advice.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from node.reference.generated_parts import rewrite_file, table, with_parts

_ROOT: Final = Path(__file__).parents[2]
_FOLDERS: Final = ("genesis", "network", "node")
_LEVELS: Final = {"critical": "CRITICAL", "exception": "ERROR", "error": "ERROR", "warning": "WARNING"}
_ORDER: Final = ("CRITICAL", "ERROR", "WARNING")

ADVICE: Final[dict[str, str]] = {
    "HALTED at height %d: %s %s": (
        "The node takes no part any more. Keep its log and its home. Read the reason, then "
        "[halting](decisions/halting.md)."
    ),
    "unexpected exception": "A fault of ours, with its stack trace; HALTED follows. Report it with the trace.",
    "RocksDB left its last entries in its log when it was closed: %s": (
        "The disk refused a write while the node stopped. Nothing is lost: the next start reads the log. Make room."
    ),
    "%s goes on beyond its size, as no new file can be opened: %s": (
        "The machine has no open files left. Find what holds them; the vote log tries again with the next height."
    ),
    "%s: it recovers before it signs": (
        "This validator's log lacks votes of its own. It signs again by itself, some blocks later "
        "([recovery](operations-recovery.md))."
    ),
    "verification worker %d ended (%s); starts again in %g s": (
        "The node verifies signatures by itself meanwhile. Once: nothing to do. Again and again: look for what "
        "kills the process (memory limits, a security module), or set `workers.verify = 0`."
    ),
    "%s: recovering": (
        "The vote log was lost, exchanged or put back. It signs again by itself, some blocks later "
        "([recovery](operations-recovery.md))."
    ),
    "%s: this process signs no more until an operator has ended all but one (node recover)": (
        "Two processes run with one key. End all but one, then run `entente node recover` ([two "
        "processes](operations-recovery.md#two-processes-with-one-key))."
    ),
    "a block that a quorum prepared holds invalid transactions: %s": (
        "A quorum of validators is faulty, or this release is. Compare releases with the others."
    ),
    "cannot accept clients' connections: %s": (
        "The machine has no open files left, or no memory. Accepting goes on by itself."
    ),
    "height %d: %s": (
        "A third of the validators computed other roots than this node: it is not ready. Compare releases, then "
        "check the store (`entente node check`)."
    ),
    "the gateway's process cannot be started: %s": (
        "No memory, or no process or open file is left. It is tried again by itself; clients wait meanwhile."
    ),
    "the gateway's process has ended (%s); another is started in %.1f s": (
        "Signal 9 that you did not send: the machine is out of memory. An exit code: a fault of ours, report the "
        "lines before it. Clients that were being answered lost their connection."
    ),
    "internal error %s while answering %.100s": (
        "A fault of ours met one client, who got the same error id. Report it with the trace."
    ),
    "the incoming snapshot is given up: %s": "The disk is full or damaged; the node fetches another one.",
    "the write-ahead log is of another key: this one recovers before it signs": (
        "The key in the home was changed. It signs by itself, some blocks later."
    ),
    "validator %d signed two different messages: %s of round %d at height %d": (
        "That validator is dishonest, or runs twice. The node reports it on chain; telephone its operator."
    ),
    "%s; this one stops before": "Install the release that the alliance has decided on before that height.",
    "a client sent what is no HTTP/1.0 or HTTP/1.1": (
        "A port scan, TLS sent to a plain port, or a broken client. Nothing, unless your own clients fail."
    ),
    "a read was handed to the node: %s": "The node's database refused it; the node's own lines say why.",
    "the node has gone": "Written by the gateway's process, which ends as well. The node's last lines say why.",
    "an operator's client is gone: %s": "`entente backup` was ended before it was done. Run it again.",
    "bad block from %s: %s": "That peer sent a block that no quorum sealed. It was scored; others are asked.",
    "bad part of a snapshot from %s: %s": (
        "That peer sent what does not fit the certified root. It is asked no more."
    ),
    "cannot accept connections of peers: %s": "The machine has no open files left. Accepting goes on by itself.",
    "consensus message from %s: %s": (
        "That peer sent a message with a bad signature, or one that is not its own. It was scored."
    ),
    "cut %d bytes of a torn record off the write-ahead log": (
        "The last life of this node was killed while it wrote. Nothing was sent for that record: nothing to do."
    ),
    "evidence %s %s": "What became of this node's report of a validator that contradicted itself.",
    "height %d: invalid block: %s": (
        "A proposer made a block that breaks a rule. The round fails, the next proposer takes over; compare "
        "releases."
    ),
    "recovered: this validator signs from height %d on": "Recovery is over.",
    "snapshot of %d from %s: %s": "That peer does not give the snapshot that it offered; others are asked.",
    "the disk of %s has only %d MiB left": "Make room: below `min_free_disk_mib` the node ends with exit code 74.",
    "the limit of open files stays at %d: %s": (
        "The hard limit could not be used. Raise it (`LimitNOFILE=`, `--ulimit nofile=`)."
    ),
    "validator %s: %s": "That validator signed what no correct one sends. Compare `entente_validator_faults`.",
}
"""Text of a line → what an operator does about it."""


class Line(NamedTuple):
    """A line that the log may hold: its level, its text, and the file that writes it."""

    level: str
    text: str
    file: str


def lines() -> list[Line]:
    """Return all lines, the gravest first, then by text."""
    found = {line for folder in _FOLDERS for path in (_ROOT / folder).rglob("*.py") for line in _lines_of(path)}
    return sorted(found, key=lambda line: (_ORDER.index(line.level), line.text, line.file))


def log_text() -> str:
    """Return the table of all lines."""
    rows = [[line.level, f"`{_shown(line.text)}`", ADVICE.get(line.text, ""), f"`{line.file}`"] for line in lines()]
    return table(("level", "line", "what to do", "written by"), rows)


def rewritten(document: str) -> str:
    """Return a document with its generated part made anew."""
    return with_parts(document, {"log": log_text()})


def _shown(text: str) -> str:
    return re.sub(r"%[\d.]*[sd]", "…", text)


def _lines_of(path: Path) -> Iterator[Line]:
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(call, ast.Call) or not call.args:
            continue
        level, text = _told_by(call)
        if level is not None and text is not None and text != "%s":
            yield Line(level, text, path.relative_to(_ROOT).as_posix())


def _told_by(call: ast.Call) -> tuple[str | None, str | None]:
    """Return level and text of a call of a logger, or of a tally that tells at most once a minute."""
    function = call.func
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "_log":
        return _LEVELS.get(function.attr), _constant(call.args[0])
    if isinstance(function, ast.Name) and function.id == "Tally" and len(call.args) > 2:
        level = call.args[1]
        return (level.attr if isinstance(level, ast.Attribute) else None), _constant(call.args[2])
    return None, None


def _constant(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


if __name__ == "__main__":
    rewrite_file(rewritten)
