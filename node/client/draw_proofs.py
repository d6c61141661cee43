"""Collecting what proves a draw to a holder of the genesis document; `node.light_client.draws` checks it."""

from __future__ import annotations

from typing import Any

from node.client.rpc_client import RpcClient

PAGE = 1_000


async def collect(client: RpcClient, draw: str) -> dict[str, Any]:
    """Return all that a proof of a draw needs, from one node."""
    entries: list[list[Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await client.call("campaign_draw_entries", draw=draw, limit=PAGE, **cursor)
        entries += [[entry["account"], entry["tickets"]] for entry in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    proof = await client.call("campaign_draw_proof", draw=draw)
    state = await client.call("state_proof", key=f"campaign/draw/{draw}")
    return {"draw": proof, "entries": entries, "state": state}
