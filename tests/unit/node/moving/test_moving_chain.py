"""What an import makes of each answer of a node, and how long it waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from node.client import ConnectionFailed, RpcClient, RpcError
from node.client.rpc_client import Call, Op
from node.moving import chain as moving_chain
from node.moving.chain import MAX_CALLS, NodeChain, Patience, read
from node.moving.errors import Stopped
from vm.primitives.keys import SigningKey

KEYS = [SigningKey(bytes([1]) * 32), SigningKey(bytes([2]) * 32)]
OPS: list[Op] = [("token.issue", {"amount": 1})]
RECEIPT = {"status": "ok"}


def refusal(reason: str, **data: Any) -> RpcError:
    return RpcError(-32_000, f"the node says {reason}", {"reason": reason, **data})


class Node:
    """Answers, in turn, what a test has written down.

    Attributes:
        sent: the bytes that came; each signature makes others.
    """

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.sent: list[bytes] = []
        self.asked: list[list[Call]] = []
        self.signed = 0
        self.forgotten = 0

    def chain(self) -> NodeChain:
        """Return the chain behind this node, as the importer knows it once it has asked for the program."""
        made = NodeChain(cast(RpcClient, self), KEYS)
        made._patience.progress()
        return made

    async def sign_transaction(
        self, key: SigningKey, ops: Sequence[Op], *, cosigners: Sequence[SigningKey]
    ) -> bytes:
        assert [key, *cosigners] == KEYS
        self.signed += 1
        return f"transaction {self.signed}".encode()

    async def send_raw(self, raw: bytes, *, timeout_ms: int) -> Any:
        assert timeout_ms
        self.sent.append(raw)
        return self._answer()

    async def batch(self, calls: Sequence[Call]) -> Any:
        self.asked.append(list(calls))
        answer = self._answer()
        return [f"answer {params['n']}" for _, params in calls] if answer is None else answer

    def _answer(self) -> Any:
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def forget_chain(self) -> None:
        self.forgotten += 1


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let waits take no time, and the clock go on by them; return them."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(moving_chain.asyncio, "sleep", sleep)
    monkeypatch.setattr(moving_chain.time, "monotonic", lambda: sum(waits))
    return waits


@pytest.mark.parametrize(
    "trouble",
    [
        *map(refusal, ["POOL_FULL", "RATE_LIMITED", "TIMEOUT", "NOT_READY", "SHUTTING_DOWN", "INTERNAL"]),
        ConnectionFailed("gone"),
    ],
    ids=str,
)
async def test_a_busy_or_absent_node_gets_the_same_bytes_again(trouble: Exception, slept: list[float]) -> None:
    node = Node(trouble, trouble, RECEIPT)
    assert await node.chain().send(OPS) == RECEIPT
    assert node.sent == [b"transaction 1"] * 3
    assert slept == [0.2, 0.4]


async def test_a_wait_lasts_as_long_as_the_node_asks_for_and_grows_up_to_a_bound(slept: list[float]) -> None:
    node = Node(refusal("RATE_LIMITED", retry_after_ms=1_500), *[refusal("POOL_FULL")] * 7, RECEIPT)
    await node.chain().send(OPS)
    assert slept == [1.5, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


@pytest.mark.parametrize("wait", ["soon", -5, 10**9, None])
async def test_a_nonsense_wait_is_not_kept(wait: Any, slept: list[float]) -> None:
    node = Node(refusal("RATE_LIMITED", retry_after_ms=wait), RECEIPT)
    await node.chain().send(OPS)
    assert slept == [0.2]


@pytest.mark.parametrize("reason", ["EXPIRED", "EXPIRES_TOO_FAR", "BLOCK_PRUNED"])
async def test_bytes_that_can_no_longer_come_in_are_signed_anew(reason: str, slept: list[float]) -> None:
    node = Node(refusal("POOL_FULL"), refusal(reason), RECEIPT)
    assert await node.chain().send(OPS) == RECEIPT
    assert node.sent == [b"transaction 1", b"transaction 1", b"transaction 2"]
    assert node.forgotten == 1


@pytest.mark.parametrize("reason", ["INVALID_TX", "WRONG_CHAIN", "UNAUTHORIZED", "SOMETHING_NEW"])
async def test_another_refusal_stops_at_once(reason: str, slept: list[float]) -> None:
    node = Node(refusal(reason), RECEIPT)
    with pytest.raises(Stopped, match=reason):
        await node.chain().send(OPS)
    assert len(node.sent) == 1
    assert not slept


async def test_a_node_that_never_gets_on_is_given_up(slept: list[float]) -> None:
    node = Node(*[refusal("POOL_FULL")] * 1_000)
    with pytest.raises(Stopped, match="no progress for 300 s"):
        await node.chain().send(OPS)
    assert 300 < sum(slept) < 310


async def test_time_without_trouble_does_not_count(slept: list[float]) -> None:
    patience = Patience()
    patience.progress()
    slept.append(10_000.0)  # A person has looked at the totals for that long.
    await patience.pause(0, "busy")
    patience.progress()
    slept.append(10_000.0)
    await patience.pause(0, "busy")
    assert slept[1::2] == [0.2, 0.2]


async def test_who_has_never_been_answered_is_told_at_once(slept: list[float]) -> None:
    node = Node(ConnectionFailed("no answer from http://nowhere/"))
    with pytest.raises(Stopped, match="nowhere"):
        await NodeChain(cast(RpcClient, node), KEYS).ask([("node_info", {})])
    assert not slept


async def test_questions_go_in_batches_and_answers_stay_in_order(slept: list[float]) -> None:
    node = Node()
    calls: list[Call] = [("identity_member", {"n": n}) for n in range(2 * MAX_CALLS + 3)]
    assert await node.chain().ask(calls) == [f"answer {n}" for n in range(len(calls))]
    assert [len(asked) for asked in node.asked] == [MAX_CALLS, MAX_CALLS, 3]


@pytest.mark.parametrize(
    "trouble",
    [refusal("RATE_LIMITED"), ConnectionFailed("gone"), ["answer", refusal("TIMEOUT")]],
    ids=["as a whole", "no answer", "one of several"],
)
async def test_a_question_is_asked_again_where_any_part_of_it_was_not_answered(
    trouble: Any, slept: list[float]
) -> None:
    node = Node(trouble)
    assert await node.chain().ask([("a", {"n": 1}), ("a", {"n": 2})]) == ["answer 1", "answer 2"]
    assert len(slept) == 1


async def test_a_question_that_is_refused(slept: list[float]) -> None:
    missing = refusal("NOT_FOUND")
    assert await Node([missing]).chain().ask([("a", {})]) == [missing]
    with pytest.raises(RpcError, match="NOT_FOUND"):
        await read(Node([missing]).chain(), "a", cast(Mapping[str, Any], {}))
    with pytest.raises(Stopped, match="UNAUTHORIZED"):
        await Node(refusal("UNAUTHORIZED")).chain().ask([("a", {})])
