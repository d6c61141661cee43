"""Runs a command in network, mount and process namespaces of its own, so that nothing of it can be left behind.

`enter` replaces this process by `unshare … python -m MODULE`: what the command then makes (interfaces, firewall
rules, small file systems, processes) belongs to namespaces that the kernel takes down with their first
process, however that ends. Nothing is sent beyond them: the new network has no way out.

It needs root and a kernel that gives namespaces; where either is missing, the command says so and fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

_MARK = "ENTENTE_SANDBOX"
_UNSHARE = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_PROBE = "test -c /dev/net/tun && mount -t tmpfs none /run && ip link add probe0 type veth peer name probe1"


def enter(module: str, arguments: Sequence[str]) -> None:
    """Go on as `python -m module arguments` inside the namespaces; returns at once if this is there already."""
    if os.environ.get(_MARK) == "1":
        _set_up()
        return
    missing = problem()
    if missing:
        sys.exit(
            f"{module} needs network, mount and process namespaces, veth, TUN and tmpfs, which are not to be "
            f"had here: {missing}"
        )
    os.environ[_MARK] = "1"
    os.execvp(_UNSHARE[0], [*_UNSHARE, sys.executable, "-m", module, *arguments])


def problem() -> str:
    """Return why the namespaces cannot be had; nothing where they can."""
    try:
        probe = subprocess.run([*_UNSHARE, "sh", "-c", _PROBE], capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return probe.stderr.strip() or f"code {probe.returncode}" if probe.returncode else ""


def _set_up() -> None:
    """Make the room in which `ip netns` keeps its names, and loopback, ours."""
    run("mkdir", "-p", "/run/netns")
    run("mount", "-t", "tmpfs", "none", "/run/netns")
    run("ip", "link", "set", "lo", "up")


def run(*command: str) -> str:
    """Run a command; return what it prints.

    Raises:
        RuntimeError: it failed; the message says why.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout
