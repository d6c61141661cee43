"""File descriptors: how many the process may open, and who may open how many of them.

Everything that a node does needs descriptors, and strangers can take one each by connecting. So the process's limit
(RLIMIT_NOFILE) is divided at the start, before anything listens:

    OWN_FILES        the vote log, the listening sockets, the admin socket, a backup, logs, and connections that are
                     just being accepted or closed
    PEER_LINKS       connections at the peers' door (network/door.py) and links with peers
    database         LevelDB's max_open_files; SECOND_DATABASE while a snapshot is fetched beside it
    connections      the rest, for clients of the gateway

Invariants:
    1. The parts together are at most the limit, so a part that is full takes nothing from another.
    2. A node whose limit leaves too little for one of them does not start.

What can still run out is the whole machine's table (ENFILE). What may be repeated then is: a rotation of the vote
log is put off, dials and accepts wait. A write that LevelDB refuses halts the node as a failing disk does
(docs/decisions/halting.md).
"""

from __future__ import annotations

import errno
import logging
import resource
from dataclasses import dataclass
from typing import Final

from network.door import DoorRules
from node.runtime.errors import ConfigError

_log = logging.getLogger(__name__)

OUT_OF_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE})
"""What a system call answers that may succeed once others have closed something."""

LEAST_LIMIT: Final = 768
"""Below it clients would have less than 50 connections. Systems give 1,024 or more, or let it be raised."""

OWN_FILES: Final = 64
"""An idle node has 17 open, its links included; up to 32 connections are accepted in one turn of the event loop."""

PEER_LINKS: Final = DoorRules().half_open + 64
SECOND_DATABASE: Final = 80
"""LevelDB takes at least 74."""

LEAST_DATABASE: Final = 96
MOST_DATABASE: Final = 1_000
"""LevelDB's own default: 2 GB of tables before one must be opened again to be read."""

MOST_CONNECTIONS: Final = 4_096
"""An idle connection takes some 5 KiB of memory, one that waits 25; node.toml may allow more."""


@dataclass(frozen=True, slots=True)
class DescriptorPlan:
    """Who may open how many descriptors.

    Attributes:
        limit: of the process.
        database: LevelDB's max_open_files.
        connections: of the gateway's clients, all together.
    """

    limit: int
    database: int
    connections: int


def plan_descriptors(limit: int, max_connections: int | None) -> DescriptorPlan:
    """Divide a process's limit.

    Args:
        max_connections: what node.toml allows the gateway; None derives it.

    Raises:
        ConfigError: the limit is too low, for a node or for what node.toml allows.
    """
    if limit < LEAST_LIMIT:
        raise ConfigError(
            f"the process may open only {limit} files and sockets, and a node needs {LEAST_LIMIT} at least; raise "
            "the limit (ulimit -n, LimitNOFILE= of systemd, --ulimit nofile= of docker)"
        )
    database = min(max(limit // 8, LEAST_DATABASE), MOST_DATABASE)
    left = limit - OWN_FILES - PEER_LINKS - SECOND_DATABASE - database
    if max_connections is None:
        return DescriptorPlan(limit, database, min(left, MOST_CONNECTIONS))
    if max_connections > left:
        raise ConfigError(
            f"rpc.max_connections is {max_connections}, but of the {limit} files and sockets that the process may "
            f"open {left} are left for clients; lower it, or raise the limit (ulimit -n, LimitNOFILE=)"
        )
    return DescriptorPlan(limit, database, max_connections)


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open files to the hard one, and return what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError) as error:
            # A system may refuse "unlimited" here; the present limit is checked as any other.
            _log.warning("the limit of open files stays at %d: %s", soft, error)
    return _UNLIMITED if soft == resource.RLIM_INFINITY else soft


_UNLIMITED: Final = 1 << 20
"""Linux's own bound (fs.nr_open) unless an administrator has changed it."""
