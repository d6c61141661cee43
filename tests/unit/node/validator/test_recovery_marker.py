"""A recovering validator's marker: when it is sent, and that nobody can have known it before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from node.runtime.errors import NotReady, TransactionRefused
from node.validator import recovery_marker
from node.validator.recovery_marker import RecoveryMarker, is_announcement
from node.votes.signing_guard import MAX_ANNOUNCEMENTS
from tests.support.driver import LocalDriver, until
from tests.support.ledger import START_MS, LocalChain
from vm.receipt import STATUS_FAILED
from vm.transaction import Transaction, parse_transaction, signatures_valid

OWN = 1


class Submissions:
    """The admission queue, which may not be ready."""

    def __init__(self) -> None:
        self.taken: list[Transaction] = []
        self.refusals = 0
        self.answer: str | TransactionRefused = "accepted"
        self.on_submit: Callable[[bytes], None] = lambda raw: None

    async def submit(self, raws: Sequence[bytes]) -> list[str | TransactionRefused]:
        if self.refusals:
            self.refusals -= 1
            raise NotReady("too early")
        self.taken += [parse_transaction(raw) for raw in raws]
        for raw in raws:
            self.on_submit(raw)
        return [self.answer] * len(raws)


class Recovering:
    """A validator with a recovery to end, and its sender of markers."""

    def __init__(self, folder: Path) -> None:
        self.chain = LocalChain(folder / "data")
        self.local = LocalDriver(self.chain, folder / "wal", OWN)
        self.local.wal.begin_recovery(0)
        self.local.driver.start()
        self.submissions = Submissions()
        guard, key = self.local.guard, self.chain.validator_keys[OWN]
        self.sender = RecoveryMarker(self.local.ledger, key, self.local.clock, guard, self.submissions.submit)
        self.guard = guard
        self.key = key.public_key

    def decide(self, *raws: bytes) -> None:
        """Let a block that others decided be committed, as block sync does."""
        transactions = [parse_transaction(raw) for raw in raws]
        candidate = self.local.candidate(transactions, START_MS + 500 + 1_000 * self.chain.height)
        execution = self.local.ledger.execute(candidate, transactions)
        execution.run(len(transactions) + 1)
        executed = execution.finish()
        self.local.finalizer.finalize(executed, self.chain._certificate(candidate.header, executed.roots))


@pytest.fixture
async def recovering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Recovering]:
    monkeypatch.setattr(recovery_marker, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(recovery_marker, "AGAIN_SECONDS", 0.0)
    made = Recovering(tmp_path)
    task = asyncio.create_task(made.sender.run())
    yield made
    task.cancel()
    made.local.close()
    made.chain.close()


async def test_its_block_ends_the_recovery(recovering: Recovering) -> None:
    await until(lambda: bool(recovering.submissions.taken))
    marker = recovering.submissions.taken[0]
    assert signatures_valid(marker)
    recovering.decide()
    assert recovering.guard.recovering
    recovering.decide(marker.raw)
    assert not recovering.guard.recovering
    assert recovering.local.driver.state.here.own_index == OWN
    assert recovering.local.committed[-1].result.receipts[0].status == STATUS_FAILED


async def test_every_marker_is_another_one(recovering: Recovering) -> None:
    recovering.submissions.refusals = 2
    await until(lambda: len(recovering.submissions.taken) >= 3)
    taken = recovering.submissions.taken
    assert len({(tx.body.nonce, tx.body.memo) for tx in taken}) == len(taken)
    recovering.decide(taken[1].raw)  # any of those that are not forgotten will do
    assert not recovering.guard.recovering


async def test_a_validator_that_signs_sends_none(recovering: Recovering) -> None:
    await until(lambda: bool(recovering.submissions.taken))
    recovering.decide(recovering.submissions.taken[0].raw)
    sent = len(recovering.submissions.taken)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(recovering.submissions.taken) == sent


async def test_a_silenced_validator_announces_it_and_the_other_process_falls_silent(
    recovering: Recovering, tmp_path: Path
) -> None:
    recovering.local.wal.silence()
    await until(lambda: any(is_announcement(tx, recovering.key) for tx in recovering.submissions.taken))
    announcement = next(tx for tx in recovering.submissions.taken if is_announcement(tx, recovering.key))
    assert signatures_valid(announcement)
    assert not is_announcement(announcement, recovering.chain.validator_keys[OWN + 1].public_key)
    assert not is_announcement(announcement, None)
    recovering.local.wal.begin_signing()  # as a process that has found nothing yet
    recovering.guard._announcements.clear()
    del recovering.chain.signing_keys[recovering.key]  # its seal would be a foreign one, and make it recover
    recovering.decide(announcement.raw)
    assert recovering.guard.silenced
    assert recovering.local.driver.state.here.own_index is None


async def test_a_marker_that_is_final_before_its_submission_is_answered_counts(recovering: Recovering) -> None:
    recovering.submissions.on_submit = recovering.decide
    await until(lambda: recovering.chain.height >= 1)
    assert not recovering.guard.recovering


async def test_a_marker_is_sent_again_only_once_it_may_have_been_lost(
    recovering: Recovering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that wait would be pushed out of what is remembered, and a block would hold one that is forgotten."""
    monkeypatch.setattr(recovery_marker, "AGAIN_SECONDS", 1_000.0)
    sent = len(recovering.submissions.taken)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(recovering.submissions.taken) == sent + 1


async def test_announcements_that_were_refused_do_not_count(recovering: Recovering) -> None:
    recovering.submissions.answer = TransactionRefused("POOL_FULL", "the pool is full")
    recovering.local.wal.silence()
    refused = lambda: [tx for tx in recovering.submissions.taken if is_announcement(tx, recovering.key)]  # noqa: E731
    await until(lambda: len(refused()) > MAX_ANNOUNCEMENTS)
    assert recovering.guard.wants_announcement
