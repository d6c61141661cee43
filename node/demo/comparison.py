"""Comparing what must have come of it (`proof`) with what each of the four validators answers.

Views answer as of a validator's head. Once the replay is over only heartbeats make blocks, and they change nothing
but the time; so each answer is judged by the time of the head it was given at, and asked for again where the
head moved into another month meanwhile.

State roots are compared at one height: each validator's certificate of it, and a state proof out of each
validator's own tree, folded up to that root here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from node.demo import judging
from node.demo.brand_nodes import BrandNode
from node.demo.errors import NetworkFailed
from node.demo.proof import Recomputed, month_of
from node.demo.reports import Report
from vm.params import PARAMS
from vm.state_proof import StateProof, verify_state_proof

POLL_S: Final = 0.2
SETTLE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """The whole result: one report a validator, at one height."""

    height: int
    reports: list[Report]

    @property
    def roots_agree(self) -> bool:
        """Whether all state roots at the height are the same."""
        return len({report.state_root for report in self.reports}) == 1

    @property
    def agrees(self) -> bool:
        """Whether nothing at all differs."""
        return self.roots_agree and all(report.agrees for report in self.reports)


async def compare(gateways: Sequence[BrandNode], expected: Recomputed, state_depth: int) -> Comparison:
    """Ask every validator for every total, balance, hold, debt between brands, and its state root.

    Raises:
        NetworkFailed: the validators do not come to one height, or do not know a programme.
        ClientError: one does not answer.
    """
    height = await common_height(gateways)
    reports = []
    for gateway in gateways:
        report = await _ask(gateway, expected)
        report.state_root, report.proved = await _state_root(gateway, height, state_depth)
        if not report.proved:
            report.tell(f"no proof out of the tree leads to the state root at height {height}")
        reports.append(report)
    return Comparison(height, reports)


async def common_height(gateways: Sequence[BrandNode]) -> int:
    """Wait until all validators have one head; return its height."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SETTLE_S
    while True:
        heads = [await gateway.call("chain_head") for gateway in gateways]
        heights = {_height_and_time(head)[0] for head in heads}
        if len(heights) == 1:
            return heights.pop()
        if loop.time() > deadline:
            raise NetworkFailed(f"the validators do not come to one height: {sorted(heights)}")
        await asyncio.sleep(POLL_S)


def _height_and_time(head: dict[str, Any]) -> tuple[int, int]:
    header = head["header"]
    return (0, 0) if header is None else (header["height"], header["time"])


async def _ask(gateway: BrandNode, expected: Recomputed) -> Report:
    while True:
        before = _height_and_time(await gateway.call("chain_head"))
        answers = await judging.ask(gateway, expected)
        after = _height_and_time(await gateway.call("chain_head"))
        if month_of(before[1]) == month_of(after[1]):
            return judging.judge(Report(gateway.brand, *after), expected, answers)


async def _state_root(gateway: BrandNode, height: int, depth: int) -> tuple[str, bool]:
    certificate = await gateway.call("chain_certificate", height=height)
    root: str = certificate["state_root"]
    answer = await gateway.call("state_proof", key=PARAMS.keys.path, height=height)
    value = bytes.fromhex(answer["value_bytes"])
    proof = StateProof.from_json(answer["proof"])
    return root, verify_state_proof(bytes.fromhex(root), depth, PARAMS.keys.path, value, proof)
