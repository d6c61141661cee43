"""Verdicts on transactions' signatures are the same with workers, without, and whatever becomes of them."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable

import pytest

from node.verification import verifier as module
from node.verification import worker as worker_module
from node.verification.frames import GREETING, MAX_FRAME_BYTES
from node.verification.verifier import LEAST_CHECKS, TransactionVerifier, worker_count
from node.verification.worker import MAX_FRAMES
from tests.support.workers import (
    KEY,
    batch,
    eventually,
    flipped,
    good,
    of_every_kind,
    send_signal,
    verifier_with,
    with_signature,
)
from vm.primitives.keys import verify
from vm.transaction import (
    Transaction,
    encode_body,
    parse_transaction,
    sign_body,
    signature_checks,
    signatures_valid,
)

KINDS = of_every_kind()
SLICE = [tx for tx, _ in KINDS]
EXPECTED = [valid for _, valid in KINDS]


def no_inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the node verify nothing itself."""

    def refused(tx: Transaction, roots: object) -> bool:
        raise AssertionError("verified inline")

    monkeypatch.setattr(module, "signatures_valid", refused)


@pytest.mark.parametrize("place", range(len(KINDS)))
def test_the_checks_of_a_transaction_are_those_that_make_it_valid(place: int) -> None:
    tx, valid = KINDS[place]
    checks = signature_checks(tx)
    assert signatures_valid(tx) == valid
    assert (checks is not None and all(verify(*check) for check in checks)) == valid


async def test_the_node_verifies_by_itself_where_it_has_no_workers() -> None:
    verifier = TransactionVerifier()
    assert await verifier.verdicts(SLICE) == EXPECTED
    assert await verifier.send(SLICE).verdicts() == EXPECTED
    assert (verifier.inline, verifier.by_workers) == (2 * len(SLICE), 0)


@pytest.mark.parametrize("workers", [1, 2])
async def test_workers_give_the_same_verdicts(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    no_inline(monkeypatch)
    async with verifier_with(workers) as verifier:
        for _ in range(3):
            assert await verifier.verdicts(SLICE) == EXPECTED
            assert await verifier.verdicts(SLICE[::-1]) == EXPECTED[::-1]
        known = 5 * 3 + 6  # those whose root the first slice has brought, and the one that has none
        assert (verifier.by_workers, verifier.inline) == (6 * len(SLICE) - known, known)


async def test_slices_on_their_way_are_shared_among_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    no_inline(monkeypatch)
    async with verifier_with(2) as verifier:
        sent = [verifier.send(SLICE) for _ in range(2 * MAX_FRAMES)]
        assert [worker.frames_waiting for worker in verifier.workers] == [MAX_FRAMES, MAX_FRAMES]
        assert not verifier.has_room
        assert [await one.verdicts() for one in sent] == [EXPECTED] * (2 * MAX_FRAMES)


def stopped(verifier: TransactionVerifier) -> None:
    for worker in verifier.workers:
        send_signal(worker, signal.SIGSTOP)


async def test_what_workers_have_no_room_for_the_node_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "LATE_SECONDS", 600.0)
    async with verifier_with(1) as verifier:
        stopped(verifier)
        sent = [verifier.send(SLICE) for _ in range(MAX_FRAMES)]
        assert verifier.inline == 0
        assert await verifier.verdicts(SLICE) == EXPECTED
        assert await verifier.send(good(8)).verdicts() == [True] * 8
        assert verifier.inline == len(SLICE) + 8
        send_signal(verifier.workers[0], signal.SIGCONT)
        assert [await one.verdicts() for one in sent] == [EXPECTED] * MAX_FRAMES


async def test_what_is_late_the_node_verifies_and_the_late_answer_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_module, "LATE_SECONDS", 0.02)
    async with verifier_with(1) as verifier:
        (worker,) = verifier.workers
        stopped(verifier)
        sent = [verifier.send(SLICE) for _ in range(MAX_FRAMES)]
        assert [await one.verdicts() for one in sent] == [EXPECTED] * MAX_FRAMES
        assert not verifier.has_room, "it is passed over from now on"
        send_signal(worker, signal.SIGCONT)
        await eventually(lambda: worker.frames_waiting == 0)
        monkeypatch.setattr(worker_module, "LATE_SECONDS", 600.0)
        no_inline(monkeypatch)
        assert await verifier.verdicts(SLICE) == EXPECTED


async def test_what_a_killed_worker_was_asked_the_node_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "LATE_SECONDS", 600.0)
    async with verifier_with(1) as verifier:
        stopped(verifier)
        sent = [verifier.send(SLICE) for _ in range(2)]
        waiting = [asyncio.ensure_future(one.verdicts()) for one in sent]
        await asyncio.sleep(0)
        send_signal(verifier.workers[0], signal.SIGKILL)
        assert await asyncio.gather(*waiting) == [EXPECTED] * 2
        assert await verifier.verdicts(SLICE) == EXPECTED


async def test_a_lying_worker_is_not_believed_beyond_its_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "LATE_SECONDS", 600.0)
    text = f"import os, time; os.write(0, {GREETING!r}); os.read(0, 9); os.write(0, bytes(99)); time.sleep(99)"
    async with verifier_with(1, [sys.executable, "-c", text]) as verifier:
        assert await verifier.verdicts(SLICE) == EXPECTED
        assert (verifier.inline, verifier.by_workers) == (len(SLICE), 0)


# -- batch signatures ------------------------------------------------------------------------------


async def test_a_root_on_its_way_is_asked_for_once_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "LATE_SECONDS", 600.0)
    no_inline(monkeypatch)
    monkeypatch.setattr(module, "LEAST_CHECKS", 1)
    async with verifier_with(1) as verifier:
        (worker,) = verifier.workers
        txs = batch(96)
        stopped(verifier)
        sent = [verifier.send(txs[:48]), verifier.send(txs[48:])]
        assert worker.frames_waiting == 1
        send_signal(worker, signal.SIGCONT)
        assert [await one.verdicts() for one in sent] == [[True] * 48] * 2
        await eventually(lambda: not verifier._asked)
        stopped(verifier)  # the root is known: nobody is asked
        assert await verifier.verdicts(txs) == [True] * 96
        assert worker.frames_waiting == 0


async def test_a_root_that_is_not_valid_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    no_inline(monkeypatch)
    monkeypatch.setattr(module, "LEAST_CHECKS", 1)
    async with verifier_with(1) as verifier:
        txs = [with_signature(tx, flipped) for tx in batch(8)]
        for _ in range(2):
            assert await verifier.verdicts(txs) == [False] * 8
            await eventually(lambda: not verifier._asked)
        assert len(verifier._roots) == 0


@pytest.mark.parametrize("end", [signal.SIGKILL, None])
async def test_roots_of_a_frame_without_an_answer_are_verified_here(
    end: signal.Signals | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "LATE_SECONDS", 0.02)
    monkeypatch.setattr(module, "LEAST_CHECKS", 1)
    async with verifier_with(1) as verifier:
        txs = batch(16)
        stopped(verifier)
        sent = [verifier.send(txs[:8]), verifier.send(txs[8:])]
        if end is not None:
            send_signal(verifier.workers[0], end)
        assert [await one.verdicts() for one in sent] == [[True] * 8] * 2
        assert verifier.inline == 16
        assert len(verifier._roots) == 1


# -- what is not worth a frame, or does not fit ----------------------------------------------------


@pytest.mark.parametrize(
    ("make", "inline"),
    [
        (lambda: good(LEAST_CHECKS - 1), LEAST_CHECKS - 1),
        (lambda: good(LEAST_CHECKS), 0),
        (lambda: with_large_bodies(4), 4),
        (list, 0),
    ],
)
async def test_a_frame_holds_no_less_and_no_more(make: Callable[[], list[Transaction]], inline: int) -> None:
    async with verifier_with(1) as verifier:
        txs = make()
        assert await verifier.verdicts(txs) == [True] * len(txs)
        assert verifier.inline == inline


def with_large_bodies(count: int) -> list[Transaction]:
    """Return transactions that are more than a frame takes."""
    ops = [("a.b", {"x": "y" * (MAX_FRAME_BYTES // count)})]
    made = []
    for nonce in range(count):
        body = encode_body("chain-1", good(1)[0].body.sender, nonce, 10**12, ops)
        made.append(parse_transaction(sign_body(body, [KEY])))
    return made


@pytest.mark.parametrize(
    ("setting", "cores", "count"),
    [
        ("auto", 1, 0),
        ("auto", 3, 0),
        ("auto", 4, 1),
        ("auto", 7, 1),
        ("auto", 8, 2),
        ("auto", 64, 2),
        (0, 64, 0),
        (1, 1, 1),
        (2, 4, 2),
    ],
)
def test_how_many_workers_a_setting_comes_to(setting: int | str, cores: int, count: int) -> None:
    assert worker_count(setting, cores) == count
