"""What this node saw two validators sign twice comes onto the chain, once, in its turn."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from consensus.effects import Evidence
from consensus.messages import (
    Commit,
    Message,
    Prepare,
    PreparedCertificate,
    RoundChange,
    round_change_payload,
    seal_payload,
    vote_payload,
)
from consensus.types import Roots, Seal
from contracts_py.gov import reports as gov_reports
from node.pool.admission import Admission
from node.runtime.errors import NotReady, TransactionRefused
from node.validator import evidence_reporter
from node.validator.evidence_reporter import EvidenceReporter
from tests.contract_harness import as_read
from tests.support.driver import until
from tests.support.ledger import START_MS, LocalChain, ManualClock, key_of
from vm.contract_api import Context
from vm.primitives.hashing import sha256
from vm.primitives.keys import Domain
from vm.runtime import Runtime
from vm.state_view import BlockOverlay
from vm.transaction import parse_transaction

HEIGHT, ROUND, SENDER = 2, 1, 3
DIGESTS = [sha256(b"one"), sha256(b"two")]
ROOTS = [Roots(sha256(b"s1"), sha256(b"r1")), Roots(sha256(b"s2"), sha256(b"r2"))]


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[LocalChain]:
    made = LocalChain(tmp_path / "data")
    made.commit()
    yield made
    made.close()


def prepare(chain: LocalChain, which: int, round_: int = ROUND, sender: int = SENDER) -> Message:
    payload = vote_payload(chain.genesis.chain, HEIGHT, round_, DIGESTS[which])
    signature = chain.validator_keys[sender].sign(Domain.PREPARE, payload)
    return Prepare(HEIGHT, round_, sender, DIGESTS[which], signature)


def commit(chain: LocalChain, which: int) -> Message:
    payload = seal_payload(chain.genesis.chain, HEIGHT, ROUND, DIGESTS[0], ROOTS[which])
    signature = chain.validator_keys[SENDER].sign(Domain.COMMIT, payload)
    roots = ROOTS[which]
    return Commit(HEIGHT, ROUND, SENDER, DIGESTS[0], roots.state_root, roots.receipts_root, signature)


def round_change(chain: LocalChain, which: int) -> Message:
    prepared = None if which == 0 else PreparedCertificate(0, DIGESTS[1], (Seal(0, bytes(64)),))
    said = (None, None) if prepared is None else (prepared.round, prepared.digest)
    payload = round_change_payload(chain.genesis.chain, HEIGHT, ROUND, *said)
    signature = chain.validator_keys[SENDER].sign(Domain.ROUND_CHANGE, payload)
    return RoundChange(HEIGHT, ROUND, SENDER, prepared, signature)


class Submissions:
    """Commits what is submitted, or refuses to take it."""

    def __init__(self, chain: LocalChain) -> None:
        self.chain = chain
        self.ready = True
        self.asked = 0
        self.statuses: list[str] = []
        self.raws: Sequence[bytes] = ()
        self.refusal: TransactionRefused | None = None

    async def submit(self, raws: Sequence[bytes]) -> list[Any]:
        self.asked += 1
        self.raws = raws
        await asyncio.sleep(0)
        if not self.ready:
            raise NotReady("not now")
        self.statuses.append(self.chain.commit(raws)[0].status)
        if self.refusal is not None:
            return [self.refusal]
        return [Admission(parse_transaction(raws[0]).id, committed=False)]


def reports(chain: LocalChain) -> list[dict[str, Any]]:
    runtime: Runtime = chain.runtime
    overlay = BlockOverlay(chain.store.reader)
    ctx = Context(overlay, chain.genesis.chain, chain.height, chain.ledger.head_time, 10**6, read_only=True)
    return list(as_read(runtime.invoke_view(ctx, "gov_reports", {}))["items"])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_reporter, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(evidence_reporter, "RETRY_SECONDS", 0.0)


@pytest.mark.parametrize("made", [prepare, commit, round_change])
@pytest.mark.usefixtures("quick")
async def test_evidence_comes_onto_the_chain(chain: LocalChain, made: Any) -> None:
    submissions = Submissions(chain)
    reporter = EvidenceReporter(chain.ledger, key_of("aurora-validator"), ManualClock(START_MS), submissions.submit)
    task = asyncio.create_task(reporter.run())
    evidence = Evidence(made(chain, 0), made(chain, 1))
    reporter.found(evidence)
    reporter.found(evidence)
    await until(lambda: submissions.statuses == ["ok"] and not reporter._pending)
    (item,) = reports(chain)
    assert (item["validator"], item["height"]) == (chain.validator_keys[SENDER].public_key.hex(), HEIGHT)
    task.cancel()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("refusal", [None, TransactionRefused("POOL_FULL", "the pool is full")])
async def test_the_log_tells_it_in_words(
    chain: LocalChain, caplog: pytest.LogCaptureFixture, refusal: TransactionRefused | None
) -> None:
    submissions = Submissions(chain)
    submissions.refusal = refusal
    reporter = EvidenceReporter(chain.ledger, key_of("aurora-validator"), ManualClock(START_MS), submissions.submit)
    task = asyncio.create_task(reporter.run())
    reporter.found(Evidence(prepare(chain, 0), prepare(chain, 1)))
    await until(lambda: bool(caplog.records))
    task.cancel()
    key = chain.validator_keys[SENDER].public_key.hex()[:16]
    tx_id = parse_transaction(submissions.raws[0]).id.hex()
    what = f"validator {key} signed two different messages at height {HEIGHT}, round {ROUND}, prepare"
    told = "not reported: the pool is full (POOL_FULL)" if refusal else f"reported in transaction {tx_id}"
    assert caplog.messages[0] == f"evidence that {what} is {told}"


@pytest.mark.usefixtures("quick")
async def test_what_was_refused_is_tried_again_and_what_is_recorded_is_not(chain: LocalChain) -> None:
    submissions = Submissions(chain)
    submissions.ready = False
    clock = ManualClock(START_MS)
    nodes = [EvidenceReporter(chain.ledger, key, clock, submissions.submit) for key in chain.validator_keys[:2]]
    for node in nodes:
        node.found(Evidence(prepare(chain, 0), prepare(chain, 1)))
    first = asyncio.create_task(nodes[0].run())
    await until(lambda: submissions.asked > 1)
    submissions.ready = True
    await until(lambda: not nodes[0]._pending)
    asked = submissions.asked
    second = asyncio.create_task(nodes[1].run())
    await until(lambda: not nodes[1]._pending)
    assert (submissions.statuses, submissions.asked) == (["ok"], asked)
    first.cancel()
    second.cancel()


@pytest.mark.usefixtures("quick")
async def test_reporting_is_given_up_after_some_tries(chain: LocalChain) -> None:
    submissions = Submissions(chain)
    submissions.ready = False
    reporter = EvidenceReporter(chain.ledger, chain.validator_keys[0], ManualClock(START_MS), submissions.submit)
    reporter.found(Evidence(prepare(chain, 0), prepare(chain, 1)))
    task = asyncio.create_task(reporter.run())
    await until(lambda: not reporter._pending)
    assert submissions.asked == evidence_reporter.MAX_TRIES
    task.cancel()


async def test_validators_take_turns_by_their_place(chain: LocalChain) -> None:
    keys = [*chain.validator_keys, key_of("full-node")]
    submissions = Submissions(chain)
    clock = ManualClock(START_MS)
    reporters = [EvidenceReporter(chain.ledger, key, clock, submissions.submit) for key in keys]
    assert [reporter._turn() for reporter in reporters] == [0, 1, 2, 3, 4]
    now = asyncio.get_running_loop().time()
    for turn, reporter in enumerate(reporters):
        reporter.found(Evidence(prepare(chain, 0), prepare(chain, 1)))
        (pending,) = reporter._pending.values()
        assert pending.due >= now + turn * evidence_reporter.TURN_SECONDS


async def test_what_was_refused_rests_before_it_is_tried_again(chain: LocalChain) -> None:
    submissions = Submissions(chain)
    submissions.ready = False
    reporter = EvidenceReporter(chain.ledger, chain.validator_keys[0], ManualClock(START_MS), submissions.submit)
    now = asyncio.get_running_loop().time()
    reporter.found(Evidence(prepare(chain, 0), prepare(chain, 1)))
    task = asyncio.create_task(reporter.run())
    await until(lambda: submissions.asked == 1)
    (pending,) = reporter._pending.values()
    assert pending.due >= now + evidence_reporter.RETRY_SECONDS
    task.cancel()


@pytest.mark.usefixtures("quick")
async def test_nothing_is_sent_of_whom_enough_is_known(chain: LocalChain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gov_reports, "MAX_REPORTS_PER_VALIDATOR", 2)
    submissions = Submissions(chain)
    reporter = EvidenceReporter(chain.ledger, chain.validator_keys[0], ManualClock(START_MS), submissions.submit)
    for round_ in range(5):
        reporter.found(Evidence(prepare(chain, 0, round_), prepare(chain, 1, round_)))
    task = asyncio.create_task(reporter.run())
    await until(lambda: not reporter._pending)
    assert submissions.statuses == ["ok", "ok"]
    task.cancel()


async def test_one_validators_contradictions_do_not_crowd_out_anothers(chain: LocalChain) -> None:
    submissions = Submissions(chain)
    reporter = EvidenceReporter(chain.ledger, chain.validator_keys[0], ManualClock(START_MS), submissions.submit)
    for round_ in range(100):
        reporter.found(Evidence(prepare(chain, 0, round_), prepare(chain, 1, round_)))
    assert len(reporter._pending) == evidence_reporter.MAX_PENDING_PER_VALIDATOR
    reporter.found(Evidence(prepare(chain, 0, sender=2), prepare(chain, 1, sender=2)))
    assert len(reporter._pending) == evidence_reporter.MAX_PENDING_PER_VALIDATOR + 1
