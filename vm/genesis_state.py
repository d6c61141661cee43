"""The state that a chain begins with: parameters, validators, and operations that need no signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vm.chain_records import (
    NODES_KEY,
    VALIDATORS_KEY,
    NodeList,
    ValidatorEntry,
    ValidatorList,
)
from vm.contract_api import Context
from vm.errors import GenesisError, Refused
from vm.params import PARAMS_KEY, Params
from vm.primitives.codec import encode
from vm.primitives.units import MAX_INT
from vm.runtime import Runtime
from vm.state_view import BlockOverlay, EmptyState


def genesis_changes(
    runtime: Runtime,
    chain: str,
    time: int,
    params: Params,
    validators: Sequence[ValidatorEntry],
    nodes: Sequence[bytes],
    ops: Sequence[tuple[str, Mapping[str, Any]]],
) -> dict[str, bytes]:
    """Execute a genesis document's operations and return the state at height 0.

    Raises:
        GenesisError: an operation is refused; the message names it.
    """
    overlay = BlockOverlay(EmptyState())
    ordered = tuple(sorted(validators, key=lambda entry: entry.public_key))
    overlay.put(PARAMS_KEY, params)
    overlay.put(VALIDATORS_KEY, ValidatorList(ordered))
    overlay.put(NODES_KEY, NodeList(tuple(sorted(nodes))))
    ctx = Context(overlay, chain, 0, time, MAX_INT, governance=True)
    for op, (call, args) in enumerate(ops):
        ctx.op = op
        try:
            runtime.invoke_call(ctx, call, args)
        except Refused as refusal:
            raise GenesisError(f"operation {op}, {call}: {refusal.code}: {refusal.message}") from None
    return {key: encode(value) for key, value in overlay.changes.items() if value is not None}
