"""The driver between the consensus core and the node: order of effects, tasks, restarts, halts."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from consensus.inputs import RebroadcastDue
from consensus.messages import Commit, Message, Prepare, PreparedCertificate, Proposal, RoundChange
from consensus.types import Certificate, Roots, Seal, header_digest
from node.chain.ledger import Executed
from node.votes.write_ahead_format import WriteAheadLogError
from tests.support.driver import LocalDriver, until
from tests.support.ledger import START_MS, LocalChain, program_op
from vm.primitives.codec import decode, encode
from vm.transaction import Transaction, parse_transaction

BLOCK_TIME = START_MS + 500


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[LocalChain]:
    chain = LocalChain(tmp_path / "data")
    yield chain
    chain.close()


def follower(chain: LocalChain, folder: Path) -> LocalDriver:
    """A started validator that does not propose in round 0 of height 1."""
    proposer = chain.ledger.height_context().proposer(0)
    local = LocalDriver(chain, folder / "wal", (proposer + 1) % 4)
    local.driver.start()
    return local


def transaction(chain: LocalChain) -> Transaction:
    return parse_transaction(chain.sign("aurora-admin", [program_op("miles", "aurora")]))


def sent(local: LocalDriver, kind: type) -> list[Message]:
    return [message for message in local.network.sent if isinstance(message, kind)]


def receive(local: LocalDriver, *messages: Message) -> None:
    for message in messages:
        local.driver.message_received(message)


async def test_a_block_is_prepared_sealed_and_committed_and_each_vote_is_logged_before_it_is_sent(
    chain: LocalChain, tmp_path: Path
) -> None:
    local = follower(chain, tmp_path)
    logged_when_sent: list[bool] = []
    local.network.on_broadcast = lambda message: logged_when_sent.append(
        any(vote.record.message == message for vote in local.wal.votes_above(0))
    )
    tx = transaction(chain)
    local.mempool.add(tx)
    candidate = local.candidate([tx], BLOCK_TIME)
    roots = local.roots_of(candidate, [tx])
    receive(local, local.proposal(candidate))
    await until(lambda: bool(sent(local, Prepare)))
    receive(local, *(local.prepare(i, candidate) for i in local.others()))
    await until(lambda: bool(sent(local, Commit)))
    receive(local, *(local.commit(i, candidate, roots) for i in local.others()))
    await until(lambda: local.ledger.height == 1)
    assert logged_when_sent == [True, True]
    assert [executed.roots for executed in local.committed] == [roots]
    assert chain.store.contains_transaction(tx.id)
    assert chain.store.log_mark == local.wal.mark, "as it was when the block was written: no vote came after"
    assert local.processor.executed(header_digest(candidate.header)) is None
    local.close()


async def test_an_own_proposal_survives_a_crash_with_its_transactions(chain: LocalChain, tmp_path: Path) -> None:
    first = LocalDriver(chain, tmp_path / "wal", chain.ledger.height_context().proposer(0))
    first.driver.start()
    tx = transaction(chain)
    first.mempool.add(tx)
    first.driver.work_available()
    (proposal,) = sent(first, Proposal)
    assert isinstance(proposal, Proposal)
    first.close()
    again = LocalDriver(chain, tmp_path / "wal", first.index)  # its mempool is empty
    again.driver.start()
    assert sent(again, Proposal) == [proposal]
    again.driver.work_available()  # a second proposal would be equivocation
    assert sent(again, Proposal) == [proposal]
    assert again.processor.raw_transactions([tx.hash]) == [tx.raw]
    receive(again, *(again.prepare(i, proposal.candidate) for i in again.others()))
    await until(lambda: bool(sent(again, Commit)))
    again.close()


def one_block(local: LocalDriver) -> tuple[Executed, Certificate]:
    """Return the next block, empty, executed and certified as `LocalChain.commit` does it."""
    chain = local.chain
    candidate = chain._candidate((), local.ledger.head_time + 200)
    execution = local.ledger.execute(candidate, [])
    execution.run(0)
    executed = execution.finish()
    return executed, chain._certificate(candidate.header, executed.roots)


@pytest.mark.parametrize("place", ["certificate", "embedded", "parent", "nowhere"])
async def test_a_seal_of_ours_that_the_log_does_not_know_ends_signing(
    chain: LocalChain, tmp_path: Path, place: str
) -> None:
    """Another process signs with our key: wherever its seals turn up, this one must not sign the next height."""
    chain.commit()
    local = LocalDriver(chain, tmp_path / "wal", 0)
    sealed = chain.ledger.queries.own_certificate(1)
    assert sealed is not None
    stored = sealed if place == "parent" else _without_seal_of(sealed, local.index)
    chain.store.put_certificate(1, encode(stored))
    local.driver.start()
    assert local.driver.state.here.own_index == local.index
    executed, certificate = one_block(local)
    embedded = sealed if place == "embedded" else _without_seal_of(sealed, local.index)
    candidate = msgspec.structs.replace(executed.candidate, parent_certificate=embedded)
    seen = certificate if place == "certificate" else _without_seal_of(certificate, local.index)
    local.finalizer.finalize(dataclasses.replace(executed, candidate=candidate), seen)
    assert local.ledger.height == 2
    assert local.guard.recovering is (place != "nowhere")
    assert local.driver.state.here.own_index == (local.index if place == "nowhere" else None)
    local.close()


def _without_seal_of(certificate: Certificate, index: int | None) -> Certificate:
    seals = tuple(seal for seal in certificate.seals if seal.index != index)
    return msgspec.structs.replace(certificate, seals=seals)


async def test_a_vote_waits_for_the_blocks_below_to_be_on_the_disk(chain: LocalChain, tmp_path: Path) -> None:
    """Block sync lets commits wait for a common sync of the disk; a vote in the midst of that stands on them."""
    local = follower(chain, tmp_path)
    chain.store.hold()
    executed, certificate = one_block(local)
    local.finalizer.finalize(executed, _without_seal_of(certificate, local.index))  # it was away
    assert chain.store._database._held
    assert local.proposer == local.index
    local.mempool.add(transaction(chain))
    local.driver.work_available()
    assert sent(local, Proposal)
    assert not chain.store._database._held
    local.close()


async def test_repeating_a_fetch_does_not_begin_it_again_at_a_silent_source(
    chain: LocalChain, tmp_path: Path
) -> None:
    local = follower(chain, tmp_path)
    candidate = local.candidate([], BLOCK_TIME)
    roots = local.roots_of(candidate, [])
    silent, *answering = local.others()
    local.network.withheld = {silent}
    local.network.candidates = dict.fromkeys(answering, candidate)
    receive(local, *(local.commit(i, candidate, roots) for i in local.others()))
    await until(lambda: bool(local.network.asked))
    for _ in range(3):
        local.driver.feed(RebroadcastDue(1))
        await until(lambda: True)
    local.network.answer.set()  # as the request's timeout would
    await until(lambda: local.ledger.height == 1)
    assert local.network.asked == [(silent, "candidate"), (answering[0], "candidate")]
    local.close()


async def test_transactions_that_the_proposer_withholds_come_from_others(chain: LocalChain, tmp_path: Path) -> None:
    local = follower(chain, tmp_path)
    tx = transaction(chain)
    candidate = local.candidate([tx], BLOCK_TIME)
    holder = next(i for i in local.others() if i != local.proposer)
    local.network.raws = {holder: [tx.raw]}
    receive(local, local.proposal(candidate))
    await until(lambda: bool(sent(local, Prepare)))
    assert local.network.asked[0] == (local.proposer, "transactions")
    local.close()


async def test_after_a_halt_nothing_is_signed_and_nothing_is_written(chain: LocalChain, tmp_path: Path) -> None:
    local = follower(chain, tmp_path)
    executed, certificate = one_block(local)
    local.supervisor.halt("a reason", {})
    receive(local, local.proposal(local.candidate([], BLOCK_TIME)))
    local.finalizer.finalize(executed, certificate)
    assert local.ledger.height == 0
    assert local.network.sent == []
    assert local.supervisor.halted == "a reason"
    assert not local.driver._queue  # a node may stand halted for days
    local.close()


async def test_effects_that_follow_a_halt_are_not_performed(chain: LocalChain, tmp_path: Path) -> None:
    local = follower(chain, tmp_path)
    local.network.on_broadcast = lambda _: local.supervisor.halt("a reason", {})
    receive(local, local.proposal(local.candidate([], BLOCK_TIME)))
    await until(lambda: local.supervisor.halted is not None)
    assert local.driver._rebroadcast_timer is None, "what was sent is to be repeated, but for the halt"
    local.close()


async def test_after_a_stop_no_timer_and_no_message_reaches_closed_files(chain: LocalChain, tmp_path: Path) -> None:
    local = follower(chain, tmp_path)
    candidate = local.candidate([], BLOCK_TIME)
    local.close()  # the log's descriptor may be another file's by now
    receive(local, local.proposal(candidate))
    for _ in range(20):
        await asyncio.sleep(0)
    assert local.network.sent == []
    assert local.supervisor.halted is None
    assert local.driver._round_timer is None


async def test_a_log_that_cannot_be_written_halts_before_the_vote_is_sent(
    chain: LocalChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = follower(chain, tmp_path)

    def refuse(*_: object) -> None:
        raise WriteAheadLogError("no space left")

    monkeypatch.setattr(local.wal, "append", refuse)
    receive(local, local.proposal(local.candidate([], BLOCK_TIME)))
    await until(lambda: local.supervisor.halted is not None)
    assert local.network.sent == []
    local.close()


async def test_an_invalid_block_gets_no_vote_and_the_node_goes_on(chain: LocalChain, tmp_path: Path) -> None:
    local = follower(chain, tmp_path)
    stale = parse_transaction(chain.sign("aurora-admin", [program_op("miles", "aurora")], expires=BLOCK_TIME))
    local.mempool.add(stale)
    candidate = local.candidate([stale], BLOCK_TIME)
    receive(local, local.proposal(candidate))
    await until(lambda: local.driver.state.valid.get(header_digest(candidate.header)) is False)
    assert local.network.sent == []
    assert local.supervisor.halted is None
    local.close()


async def test_a_full_node_commits_what_a_quorum_seals(chain: LocalChain, tmp_path: Path) -> None:
    local = LocalDriver(chain, tmp_path / "wal", None)
    local.driver.start()
    candidate = local.candidate([], BLOCK_TIME)
    roots = local.roots_of(candidate, [])
    receive(local, local.proposal(candidate), *(local.commit(i, candidate, roots) for i in range(3)))
    await until(lambda: local.ledger.height == 1)
    assert local.network.sent == []
    local.close()


async def test_a_release_that_does_not_know_the_next_version_halts_there_and_not_before(
    chain: LocalChain, tmp_path: Path
) -> None:
    chain.decide({"action": "schedule_upgrade", "version": 3, "height": 5})
    chain.commit()
    local = follower(chain, tmp_path)
    assert local.supervisor.halted is None
    local.finalizer.finalize(*one_block(local))
    assert local.ledger.height == 4
    assert local.supervisor.halted is not None
    assert "version 3 from height 5 on" in local.supervisor.halted
    again = LocalDriver(chain, tmp_path / "other", local.index)
    again.driver.start()
    assert again.supervisor.halted == local.supervisor.halted
    for each in (local, again):
        each.close()


async def test_an_input_that_arises_while_effects_are_performed_waits_for_the_rest_of_them(
    chain: LocalChain, tmp_path: Path
) -> None:
    local = follower(chain, tmp_path)
    candidate = local.candidate([], BLOCK_TIME)
    others = [i for i in local.others() if i != local.proposer]
    order: list[str] = []

    def answered_at_once(message: Message) -> None:
        order.append(f"{type(message).__name__} begins")
        if isinstance(message, Prepare):
            receive(local, *(local.prepare(i, candidate) for i in others))
        order.append(f"{type(message).__name__} ends, locked: {local.driver.state.lock is not None}")

    local.network.on_broadcast = answered_at_once
    receive(local, local.proposal(candidate))
    await until(lambda: bool(sent(local, Commit)))
    assert order[:2] == ["Prepare begins", "Prepare ends, locked: False"]
    local.close()


async def test_a_fault_in_a_task_halts(chain: LocalChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = follower(chain, tmp_path)

    async def fault(*_: object) -> None:
        raise RuntimeError("not foreseen")

    monkeypatch.setattr(local.processor, "judge", fault)
    receive(local, local.proposal(local.candidate([], BLOCK_TIME)))
    await until(lambda: local.supervisor.halted is not None)
    assert local.supervisor.halted == "RuntimeError: not foreseen"
    assert local.network.sent == []
    local.close()


async def test_a_block_that_a_quorum_sealed_and_that_is_invalid_here_halts(
    chain: LocalChain, tmp_path: Path
) -> None:
    local = follower(chain, tmp_path)
    envelope = decode(transaction(chain).raw)
    key, _ = envelope["sigs"][0]
    unsigned = parse_transaction(encode({"body": envelope["body"], "sigs": [[key, bytes(64)]]}))
    candidate = local.candidate([unsigned], BLOCK_TIME)
    others = local.others()
    local.network.candidates = dict.fromkeys(others, candidate)
    local.network.raws = {index: [unsigned.raw] for index in others}
    receive(local, *(local.commit(i, candidate, Roots(bytes(32), bytes(32))) for i in others))
    await until(lambda: local.supervisor.halted is not None)
    assert local.supervisor.halted == "a quorum sealed a block that we find invalid"
    assert local.ledger.height == 0
    local.close()


async def test_a_new_log_makes_it_observe_until_a_quorum_says_that_the_chain_is_new(
    chain: LocalChain, tmp_path: Path
) -> None:
    local = LocalDriver(chain, tmp_path / "wal", chain.ledger.height_context().proposer(0), new=True)
    local.driver.start()
    local.mempool.add(transaction(chain))
    local.driver.work_available()
    assert local.driver.state.here.own_index is None
    assert not local.network.sent
    for other in local.others()[:2]:
        local.driver.peer_said(chain.validator_keys[other].public_key, 0)
    assert local.driver.state.here.own_index == local.index
    assert len(sent(local, Proposal)) == 1, "the work that there was is not forgotten"
    local.close()


async def test_a_foreign_vote_in_a_message_ends_signing_in_the_midst_of_the_height(
    chain: LocalChain, tmp_path: Path
) -> None:
    local = LocalDriver(chain, tmp_path / "wal", 0)
    local.driver.start()
    assert local.driver.state.here.own_index == 0
    prepared = PreparedCertificate(0, bytes(32), tuple(Seal(i, bytes(64)) for i in range(3)))
    local.driver.message_received(RoundChange(1, 1, 2, prepared, bytes(64)))
    assert local.guard.recovering
    assert local.driver.state.here.own_index is None
    local.driver.work_available()
    assert not local.network.sent
    assert local.supervisor.halted is None
    local.close()


async def test_a_log_that_cannot_be_marked_halts(
    chain: LocalChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = LocalDriver(chain, tmp_path / "wal", 0)
    local.driver.start()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    prepared = PreparedCertificate(0, bytes(32), tuple(Seal(i, bytes(64)) for i in range(3)))
    local.driver.message_received(RoundChange(1, 1, 2, prepared, bytes(64)))
    assert local.supervisor.halted is not None
    assert local.supervisor.disk_failed.is_set()
    local.close()
