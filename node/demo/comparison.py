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
from dataclasses import dataclass, field
from typing import Any, Final

from node.client import RpcError
from node.demo.errors import NetworkFailed
from node.demo.gateway import Gateway
from node.demo.operations import address_of
from node.demo.plan import Member
from node.demo.proof import Expected, month_of
from vm.params import PARAMS
from vm.state_proof import StateProof, verify_state_proof

POLL_S: Final = 0.2
SETTLE_S: Final = 30.0
MAX_TOLD: Final = 10

FIGURES: Final = ("issued", "redeemed", "burned", "expired", "outstanding")


@dataclass(frozen=True, slots=True)
class Figures:
    """A programme's totals."""

    issued: int
    redeemed: int
    burned: int
    expired: int
    outstanding: int


@dataclass(slots=True)
class Report:
    """What one validator answered, and where it differs from the recomputation.

    Attributes:
        height, time: the head at which it answered.
        chain, recomputed: totals by partner.
        balances: how many members' balances were compared.
        wrong_balances: how many of them differ.
        state_root: at the common height, hex.
        proved: whether a proof out of this validator's tree leads to that root.
        told: the first differences, in words.
    """

    brand: str
    height: int = 0
    time: int = 0
    chain: list[Figures] = field(default_factory=list)
    recomputed: list[Figures] = field(default_factory=list)
    balances: int = 0
    wrong_balances: int = 0
    state_root: str = ""
    proved: bool = False
    told: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether everything that this validator answered is as recomputed."""
        return self.chain == self.recomputed and not self.wrong_balances and self.proved


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


async def compare(gateways: Sequence[Gateway], expected: Sequence[Expected], state_depth: int) -> Comparison:
    """Ask every validator for every total, every balance and its state root.

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
            report.told.append(f"no proof out of the tree leads to the state root at height {height}")
        reports.append(report)
    return Comparison(height, reports)


async def common_height(gateways: Sequence[Gateway]) -> int:
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


async def _ask(gateway: Gateway, expected: Sequence[Expected]) -> Report:
    while True:
        before = _height_and_time(await gateway.call("chain_head"))
        supplies = await gateway.each("token_supply", [{"program": each.partner.program} for each in expected])
        balances = [await _balances(gateway, index, each) for index, each in enumerate(expected)]
        after = _height_and_time(await gateway.call("chain_head"))
        if month_of(before[1]) == month_of(after[1]):
            return _judge(Report(gateway.brand, *after), expected, supplies, balances)


async def _balances(gateway: Gateway, index: int, expected: Expected) -> list[Any]:
    program = expected.partner.program
    members = [Member(index, household) for household in expected.members]
    return await gateway.each(
        "token_balance", [{"program": program, "account": address_of(member)} for member in members]
    )


def _judge(
    report: Report, expected: Sequence[Expected], supplies: Sequence[Any], balances: Sequence[Sequence[Any]]
) -> Report:
    for each, supply, answers in zip(expected, supplies, balances, strict=True):
        if isinstance(supply, RpcError):
            raise NetworkFailed(f"{report.brand} does not tell the supply of {each.partner.program}: {supply}")
        report.chain.append(Figures(*[supply[name] for name in FIGURES]))
        report.recomputed.append(figures_of(each, report.time))
        if report.chain[-1] != report.recomputed[-1]:
            _tell(report, f"{each.partner.program}: {report.chain[-1]} instead of {report.recomputed[-1]}")
        for household, answer in zip(each.members, answers, strict=True):
            _judge_balance(report, each, household, answer)
    return report


def _judge_balance(report: Report, expected: Expected, household: int, answer: Any) -> None:
    report.balances += 1
    wanted = expected.balance(household, report.time)
    found = str(answer) if isinstance(answer, RpcError) else answer["available"]
    if found != wanted:
        report.wrong_balances += 1
        _tell(report, f"{expected.partner.program}: household {household} has {found} instead of {wanted}")


def _tell(report: Report, difference: str) -> None:
    if len(report.told) < MAX_TOLD:
        report.told.append(difference)


def figures_of(expected: Expected, time: int) -> Figures:
    """Return the recomputed totals of a partner's programme at a time."""
    return Figures(
        expected.issued, expected.redeemed, expected.donated, expected.expired(time), expected.outstanding(time)
    )


async def _state_root(gateway: Gateway, height: int, depth: int) -> tuple[str, bool]:
    certificate = await gateway.call("chain_certificate", height=height)
    root: str = certificate["state_root"]
    answer = await gateway.call("state_proof", key=PARAMS.keys.path, height=height)
    value = bytes.fromhex(answer["value_bytes"])
    proof = StateProof.from_json(answer["proof"])
    return root, verify_state_proof(bytes.fromhex(root), depth, PARAMS.keys.path, value, proof)
