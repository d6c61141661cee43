"""Where a testnet's validators stand: asked from all at once, shown as a table."""

from __future__ import annotations

import asyncio

import msgspec
from rich.table import Table

from genesis.testnet import TestnetManifest, TestnetValidator
from node.client import ConnectionFailed, RetryPolicy, RpcClient, RpcError
from node.client.probe import PROBE_TIMEOUT_S
from node.terminal.output import table, utc
from node.testnet.processes import running_pid

ROOT_DIGITS = 8


class ValidatorStatus(msgspec.Struct, frozen=True):
    """One validator as it answers now.

    Attributes:
        pid: its process, where it runs on this machine.
        state_root: hex, after the block at `height`; None before the first block.
        reason: why it is not ready.
    """

    brand: str
    rpc: str
    pid: int | None
    ready: bool
    reason: str | None = None
    height: int | None = None
    time: int | None = None
    state_root: str | None = None


def network_status(manifest: TestnetManifest) -> list[ValidatorStatus]:
    """Ask every validator, all at once."""

    async def ask_all() -> list[ValidatorStatus]:
        return list(await asyncio.gather(*[_ask(validator) for validator in manifest.validators]))

    return asyncio.run(ask_all())


def status_table(statuses: list[ValidatorStatus]) -> Table:
    """Return the table that people see."""
    rows = [
        [
            status.brand,
            status.rpc.removeprefix("http://"),
            str(status.pid or "–"),
            "–" if status.height is None else f"{status.height:,}",
            "–" if status.time is None else utc(status.time).removesuffix(" UTC"),
            (status.state_root or "–")[:ROOT_DIGITS],
            "yes" if status.ready else f"no: {status.reason}",
        ]
        for status in statuses
    ]
    return table(["brand", "rpc", "pid", "height", "block time (UTC)", "state root", "ready"], rows)


async def _ask(validator: TestnetValidator) -> ValidatorStatus:
    pid = running_pid(validator)
    status = ValidatorStatus(validator.brand, validator.rpc, pid, ready=False)
    once = RetryPolicy(attempts=1)
    try:
        async with RpcClient(validator.rpc, timeout_s=PROBE_TIMEOUT_S, retries=once) as client:
            health = await client.call("node_health")
            info = await client.call("node_info")
            head = await client.call("chain_head")
    except ConnectionFailed:
        return msgspec.structs.replace(status, reason="stopped" if pid is None else "does not answer")
    except RpcError as error:
        return msgspec.structs.replace(status, reason=error.message)
    certificate = head["certificate"]
    return msgspec.structs.replace(
        status,
        ready=health["ready"],
        reason="; ".join(health["reasons"]) or None,
        height=info["height"],
        time=info["time"],
        state_root=None if certificate is None else certificate["state_root"],
    )
