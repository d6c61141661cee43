"""The state that a chain begins with: parameters, validators, and operations that need no signature."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from vm.chain_records import NODES, VALIDATORS, NodeList, ValidatorEntry, ValidatorList
from vm.contract_api import Context
from vm.errors import GenesisError, Refused
from vm.once_log import Appended, append_records
from vm.params import PARAMS, Params
from vm.primitives.units import MAX_INT
from vm.runtime import Runtime
from vm.state_view import BlockOverlay, EmptyState


class GenesisState(NamedTuple):
    """What a chain begins with: canonical values by key, and once-records."""

    values: dict[str, bytes]
    once: list[Appended]


def genesis_changes(
    runtime: Runtime,
    chain: str,
    time: int,
    params: Params,
    validators: Sequence[ValidatorEntry],
    nodes: Sequence[bytes],
    ops: Iterable[tuple[str, Mapping[str, Any]]],
) -> GenesisState:
    """Execute a genesis document's operations and return the state at height 0.

    Raises:
        GenesisError: an operation is refused; the message names it.
    """
    overlay = BlockOverlay(EmptyState())
    ordered = tuple(sorted(validators, key=lambda entry: entry.public_key))
    PARAMS.put(overlay, params)
    VALIDATORS.put(overlay, ValidatorList(ordered))
    NODES.put(overlay, NodeList(tuple(sorted(nodes))))
    ctx = Context(overlay, chain, 0, time, MAX_INT, governance=True)
    for op, (call, args) in enumerate(ops):
        ctx.op = op
        # What was done so far stays, and no receipt tells of it: neither journal nor events grow with the document.
        overlay.begin()
        ctx.events.clear()
        try:
            runtime.invoke_call(ctx, call, args)
        except Refused as refusal:
            raise GenesisError(f"operation {op}, {call}: {refusal.code}: {refusal.message}") from None
    once = append_records(overlay)
    return GenesisState({key: cell[1] for key, cell in overlay.changes.items() if cell is not None}, once)
