"""The demo's own network: four validators as four processes, on a virtual clock, stopped whatever happens.

Invariants:
    1. Processes that were started are stopped when the context ends, by whatever way.
    2. A folder that the demo made for itself is removed; one that the user named stays.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final

from genesis.testnet import ClockStart, TestnetManifest, create_testnet
from node.demo.errors import NetworkFailed
from node.demo.plan import MS_PER_DAY
from node.demo.rules import MAX_BACKDATE_DAYS, MAX_HOLD_DAYS, PARTNERS
from node.runtime.clock import BlockClock, make_clock
from node.runtime.config import VirtualClock
from node.terminal.interrupts import interrupts_held
from node.testnet.processes import start_validators, stop_nodes, wait_ready
from vm.params import Params

DEMO_PARAMS: Final = Params(max_hold_ms=MAX_HOLD_DAYS * MS_PER_DAY, max_backdate_ms=MAX_BACKDATE_DAYS * MS_PER_DAY)
"""In chain time, as holds and purchases are measured in it."""


@contextmanager
def running_network(directory: Path | None, rpc_port: int, clock: ClockStart) -> Iterator[TestnetManifest]:
    """Create a testnet, start its validators, and stop them at the end.

    Args:
        directory: where it lives; None for a temporary folder.

    Raises:
        TestnetError: the directory is in use, or the ports are not usable.
        CliError: a validator does not start.
    """
    place = tempfile.TemporaryDirectory(prefix="entente-demo-") if directory is None else nullcontext(directory)
    with place as path:
        manifest = create_testnet(Path(path), len(PARTNERS), rpc_port, clock=clock, name="demo", params=DEMO_PARAMS)
        try:
            with interrupts_held():
                manifest, processes = start_validators(Path(path), manifest)
            wait_ready(manifest, processes)
            yield manifest
        finally:
            with interrupts_held():
                stop_nodes(manifest.validators)


def clock_of(manifest: TestnetManifest) -> BlockClock:
    """Return the network's block clock, as its validators run it.

    Raises:
        NetworkFailed: the network runs on real time.
    """
    if manifest.clock is None:
        raise NetworkFailed("the network has no virtual clock")
    settings = manifest.clock
    return make_clock(VirtualClock(settings.start_ms, settings.anchor_ms, settings.rate))
