"""Offline verification of a draw: the certified record, and what follows from it.

    {"draw": campaign_draw_proof, "entries": [[account, tickets], …], "state": state_proof of campaign/draw/<draw>}

The state proof shows that a quorum has certified the seed, the block, the commitments and secrets. Who held which
tickets is what the node says: it follows from the records, which a full node has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from contracts_py.campaign.draw_check import problems
from genesis.document import Genesis
from node.light_client.documents import verify_state
from node.light_client.errors import VerificationFailed


def check_draw(document: Any, genesis: Genesis) -> Iterator[str]:
    """Yield what is wrong with a collected draw; nothing where all of it follows.

    Raises:
        VerificationFailed: the document is no collected draw, or the chain has not certified its record.
    """
    try:
        proof, entries = document["draw"], document["entries"]
        proved = verify_state(document["state"], genesis)
        if proved.key != f"campaign/draw/{proof['draw']}" or not isinstance(proved.value, Mapping):
            raise VerificationFailed(f"{proved.key} is not the draw's record")
        found = [*_differences(proof, proved.value), *problems(proof, entries)]
    except (TypeError, KeyError, ValueError, IndexError, AttributeError) as error:
        raise VerificationFailed(f"no collected draw: {type(error).__name__} {error}") from None
    if proof["chain"] != genesis.chain:
        yield f"the draw is of the chain {proof['chain']}"
    yield from found


def _differences(proof: Mapping[str, Any], record: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the view says otherwise than the certified record."""
    for name in ("brand", "once", "status", "prizes", "entropy", "seed"):
        if _plain(proof.get(name)) != _plain(record.get(name)):
            yield f"{name} is not what the chain has certified"
    if _plain(proof["witnesses"]) != _plain(record.get("witnesses", [])):
        yield "the commitments or secrets are not what the chain has certified"
    if len(proof["numbers"]) != record.get("drawn", 0):
        yield f"the chain has certified {record.get('drawn', 0)} numbers"


def _plain(value: Any) -> Any:
    """Return a value as JSON has it, without what stands for nothing."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items() if item is not None}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
