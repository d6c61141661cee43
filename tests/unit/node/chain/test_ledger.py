"""The chain's head: who decides which height, also after a restart in the middle of a change; who may connect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from consensus.types import Roots, header_digest
from consensus.verification import Verifier
from node.chain import ledger
from node.chain.ledger import Ledger
from node.store import LogMark, Store, StoreOptions
from tests.support.ledger import START_MS, LocalChain, address_of, key_of, program_op
from vm.chain_records import VALIDATOR_RECORDS, ValidatorEntry, ValidatorRecord
from vm.errors import InvariantBroken
from vm.membership import current_validators
from vm.params import Params
from vm.primitives.keys import SigningKey
from vm.receipt import Receipt
from vm.transaction import Transaction, parse_transaction

NEWCOMER = key_of("newcomer")
ROTATED = key_of("rotated")
DUNE = key_of("dune-validator")
JOIN: list[dict[str, Any]] = [
    {"action": "register_brand", "brand": "echo", "name": "Echo", "admins": [address_of("echo-admin")]},
    {"action": "add_validator", "brand": "echo", "key": NEWCOMER.public_key.hex()},
]
LEAVE: dict[str, Any] = {"action": "remove_validator", "brand": "dune"}


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[LocalChain]:
    """A chain that keeps as little history as can be, and whose newcomers' keys are known."""
    made = LocalChain(tmp_path / "data", options=StoreOptions(state_history_blocks=1))
    made.signing_keys |= {key.public_key: key for key in (NEWCOMER, ROTATED)}
    yield made
    made.close()


def rotation(chain: LocalChain, old: SigningKey, new: SigningKey) -> bytes:
    args = {"old": old.public_key.hex(), "new": new.public_key.hex()}
    return chain.sign("dune-admin", [("gov.rotate_key", args)], cosigners=[new])


def test_a_change_is_announced_in_the_next_header_and_decides_the_one_after(chain: LocalChain) -> None:
    chain.decide(*JOIN)
    changed_at = chain.height
    hashes = {chain.height: chain.ledger.header}
    for _ in range(3):
        chain.commit()
        hashes[chain.height] = chain.ledger.header
    before, announcing, first = (hashes[changed_at + i] for i in range(3))
    assert before
    assert announcing
    assert first
    old, new = before.validators_hash, first.validators_hash
    assert (before.next_validators_hash, announcing.validators_hash) == (old, old)
    assert announcing.next_validators_hash == new != old
    assert chain.ledger.validators_at(changed_at + 2).n == 5


def test_every_height_is_decided_by_the_announced_set_also_after_a_restart(
    chain: LocalChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changes in adjacent blocks; whoever opens the store anew sees what the running node sees."""
    sets_after: dict[int, tuple[ValidatorEntry, ...]] = {h: current_validators(chain.store.reader) for h in (-1, 0)}
    verifier = Verifier(chain.genesis.chain)

    def look() -> None:
        context = chain.ledger.height_context()
        height = chain.height
        sets_after[height] = current_validators(chain.store.reader)
        again = Ledger(chain.genesis, chain.runtime, chain.store, None)
        assert again.height_context() == context
        assert [v.public_key for v in context.validators.validators] == [
            entry.public_key for entry in sets_after[height - 1]
        ]
        if height:
            certificate = chain.ledger.queries.certificate(height)
            assert certificate
            assert verifier.certificate_is_valid(certificate, chain.ledger.validators_at(height))

    commit_parsed = chain.commit_parsed

    def commit_and_look(transactions: Sequence[Transaction], time: int | None = None) -> list[Receipt]:
        receipts = commit_parsed(transactions, time)
        look()
        return receipts

    look()
    monkeypatch.setattr(chain, "commit_parsed", commit_and_look)
    chain.decide(*JOIN)
    chain.decide(LEAVE)
    args = {"old": NEWCOMER.public_key.hex(), "new": ROTATED.public_key.hex()}
    receipts = chain.commit([chain.sign("echo-admin", [("gov.rotate_key", args)], cosigners=[ROTATED])])
    assert receipts[0].status == "ok"
    for _ in range(4):
        chain.commit()
    assert len({len(entries) for entries in sets_after.values()}) == 2
    assert ROTATED.public_key in {entry.public_key for entry in sets_after[chain.height]}


def test_a_leaving_validator_stays_permitted_until_it_has_seen_its_last_height(chain: LocalChain) -> None:
    chain.decide(*JOIN)
    assert NEWCOMER.public_key in chain.ledger.permitted_keys(), "announced and not yet deciding"
    chain.decide(LEAVE)
    # The change was executed in this block: dune decides the next one, and no later one.
    for expected in (True, True, False):
        assert (DUNE.public_key in chain.ledger.permitted_keys()) == expected
        chain.commit()
    chain.decide({"action": "add_node", "key": DUNE.public_key.hex()})
    assert DUNE.public_key in chain.ledger.permitted_keys()


def test_who_has_left_keeps_no_seal_record(chain: LocalChain) -> None:
    chain.decide(*JOIN)
    for _ in range(3):
        chain.commit()

    def record(key: SigningKey) -> ValidatorRecord | None:
        return VALIDATOR_RECORDS.get(chain.store.reader, key.public_key)

    assert record(DUNE)
    assert record(NEWCOMER)
    chain.decide(LEAVE)
    for _ in range(4):
        assert record(DUNE) is None
        chain.commit()


def test_a_rotation_moves_the_vote_to_the_new_key(chain: LocalChain) -> None:
    receipts = chain.commit([rotation(chain, DUNE, ROTATED)])
    assert receipts[0].status == "ok", receipts[0].error
    decides = receipts[0].results[0].decides
    for _ in range(4):
        chain.commit()
    keys = {v.public_key for v in chain.ledger.validators_at(decides - 1).validators}
    assert (DUNE.public_key in keys, ROTATED.public_key in keys) == (True, False)
    keys = {v.public_key for v in chain.ledger.validators_at(decides).validators}
    assert (DUNE.public_key in keys, ROTATED.public_key in keys) == (False, True)


def test_parameters_hold_from_the_next_height_on(chain: LocalChain) -> None:
    assert chain.ledger.height_context().base_timeout_ms == 2_000
    chain.decide({"action": "set_params", "params": {"round_timeout_ms": 3_000}})
    assert chain.ledger.height_context().base_timeout_ms == 3_000


def test_headers_carry_the_version_that_the_alliance_has_scheduled(chain: LocalChain) -> None:
    height = chain.height + 5
    chain.decide({"action": "schedule_upgrade", "version": 3, "height": height})
    while chain.height < height + 1:
        chain.commit()
    versions = [chain.ledger.queries.block(h).header.version for h in range(height - 2, height + 2)]
    assert versions == [2, 2, 3, 3]


def test_those_before_the_proposer_in_the_order_are_skipped(chain: LocalChain) -> None:
    chain.commit()
    context = chain.ledger.height_context()
    in_order = [context.validators.validators[context.proposer(round_)].public_key for round_ in range(4)]
    candidate = chain._candidate([], chain.ledger.head_time + 200)
    for place, key in enumerate(in_order):
        header = msgspec.structs.replace(candidate.header, proposer=key)
        proposed = msgspec.structs.replace(candidate, header=header)
        assert chain.ledger.block_context(proposed).skipped == tuple(in_order[:place])


def test_what_happens_by_itself_sees_the_digest_of_the_head(chain: LocalChain) -> None:
    assert chain.ledger.block_context(chain._candidate([], 10**15)).parent == chain.ledger.genesis.digest
    chain.commit()
    head = chain.ledger.queries.block(chain.height)
    assert chain.ledger.block_context(chain._candidate([], 10**15)).parent == header_digest(head.header)


def test_a_certificate_of_other_roots_is_not_committed(chain: LocalChain) -> None:
    candidate = chain._candidate([], chain.ledger.head_time + 200)
    execution = chain.ledger.execute(candidate, [])
    execution.run(0)
    executed = execution.finish()
    other = Roots(executed.roots.state_root, executed.roots.state_root)
    with pytest.raises(InvariantBroken, match="cannot be committed"):
        chain.ledger.commit(executed, chain._certificate(candidate.header, other))
    assert chain.height == 0


def test_a_version_that_this_release_does_not_know_is_warned_of_and_then_a_fault(
    chain: LocalChain, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = chain.height + 5
    chain.decide({"action": "schedule_upgrade", "version": 3, "height": at})
    said = f"the alliance has decided on protocol version 3 from height {at} on: install its release"
    assert [record.getMessage() for record in caplog.records] == [f"{said}; this one stops before"]
    Ledger(chain.genesis, chain.runtime, chain.store, None)
    assert len(caplog.records) == 2, "and again at every start"
    while chain.height < at - 1:
        assert chain.ledger.version_fault() is None
        chain.commit()
    assert chain.ledger.version_fault() == said
    assert len(caplog.records) == 2
    monkeypatch.setattr(ledger, "SUPPORTED_VERSIONS", frozenset({2, 3}))
    assert chain.ledger.version_fault() is None
    chain.commit()
    assert chain.ledger.header is not None
    assert chain.ledger.header.version == 3


def test_a_version_that_this_release_knows_is_not_warned_of(
    chain: LocalChain, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "SUPPORTED_VERSIONS", frozenset({2, 3}))
    chain.decide({"action": "schedule_upgrade", "version": 3, "height": chain.height + 9})
    assert caplog.records == []


def test_a_block_is_stored_with_the_mark_of_the_vote_log(chain: LocalChain) -> None:
    mark = LogMark(b"i" * 16, 5)
    execution = chain.ledger.execute(candidate := chain._candidate([], chain.ledger.head_time + 200), [])
    execution.run(1)
    executed = execution.finish()
    chain.ledger.commit(executed, chain._certificate(candidate.header, executed.roots), mark)
    assert chain.store.log_mark == mark


def test_a_snapshot_holds_the_ids_that_expire_in_the_slot_of_its_block(tmp_path: Path) -> None:
    """They can still be sent again; those of slots before are deleted with the block."""
    params = Params(replay_slot_ms=10_000)
    chain = LocalChain(tmp_path / "slots", params=params, options=StoreOptions(snapshot_interval=2))
    raw = chain.sign("aurora-admin", [program_op("miles", "aurora")], expires=START_MS + 19_000)
    chain.commit([raw], time=START_MS + 1_000)
    chain.commit(time=START_MS + 11_000)
    slot = (START_MS + 19_000) // params.replay_slot_ms
    assert chain.store.snapshots.replay_ids(2, slot, 0, 10) == parse_transaction(raw).id
    chain.close()


def test_a_block_is_committed_once(chain: LocalChain) -> None:
    """The store takes the same block again for no news; the head's header and time must not follow it back."""
    candidate = chain._candidate([], chain.ledger.head_time + 200)
    execution = chain.ledger.execute(candidate, [])
    execution.run(0)
    executed = execution.finish()
    certificate = chain._certificate(candidate.header, executed.roots)
    chain.ledger.commit(executed, certificate)
    chain.commit()
    header = chain.ledger.header
    with pytest.raises(InvariantBroken, match="block 1 cannot be committed on 2"):
        chain.ledger.commit(executed, certificate)
    assert chain.ledger.header == header


def test_the_turn_to_propose_passes_on_with_every_block(chain: LocalChain) -> None:
    proposers = set()
    for _ in range(4):
        chain.commit()
        assert chain.ledger.header is not None
        proposers.add(chain.ledger.header.proposer)
    assert proposers == {key.public_key for key in chain.validator_keys}


def test_admission_asks_as_of_the_head(chain: LocalChain) -> None:
    """A brand whose run-off is over has no part of the pool any more, though nothing of it is written then."""
    tx = parse_transaction(chain.sign("dune-admin", [program_op("dunes", "dune")]))
    ends = chain.ledger.head_time + 60_000
    chain.decide({"action": "exit_brand", "brand": "dune", "ends": ends, "custodian": "basil"})
    chain.commit(time=ends - 1)
    assert chain.ledger.brands_of_sender(tx) == ("dune",)
    chain.commit(time=ends)
    assert chain.ledger.brands_of_sender(tx) == ()


def test_a_senders_brands_are_not_those_of_who_signs_for_it(chain: LocalChain) -> None:
    """What is remembered of a sender that signs by itself says nothing of a transaction that others have signed."""
    own = parse_transaction(chain.sign("dune-admin", [program_op("dunes", "dune")]))
    stranger, other = key_of("stranger"), key_of("other")
    foreign = parse_transaction(
        chain.sign(stranger, [program_op("dunes", "dune")], sender=address_of("dune-admin"), cosigners=[other])
    )
    assert chain.ledger.brands_of_sender(foreign) is None
    assert chain.ledger.brands_of_sender(own) == ("dune",)
    assert chain.ledger.brands_of_sender(foreign) is None


def test_what_has_expired_is_still_known(chain: LocalChain) -> None:
    raw = chain.sign("aurora-admin", [program_op("miles", "aurora")])
    tx = parse_transaction(raw)
    assert not chain.ledger.is_committed(tx)
    chain.commit([raw])
    assert chain.ledger.is_committed(tx)
    chain.commit(time=tx.body.expires + 10 * chain.ledger.params.replay_slot_ms)
    assert chain.ledger.is_committed(tx)


def test_a_node_that_starts_knows_what_is_committed(chain: LocalChain, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the records that travel with snapshots too: of what is below one, the store has no position."""
    raw = chain.sign("aurora-admin", [program_op("miles", "aurora")])
    chain.commit([raw])
    again = Ledger(chain.genesis, chain.runtime, chain.store, None)
    monkeypatch.setattr(Store, "contains_transaction", lambda store, tx_id: False)
    assert again.is_committed(parse_transaction(raw))


def test_strangers_do_not_fill_the_memory_while_the_chain_stands_still(
    chain: LocalChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "MAX_ASKED", 3)
    for number in range(20):
        raw = chain.sign(f"stranger-{number}", [("token.burn", {"program": "miles", "amount": 1})])
        assert chain.ledger.brands_of_sender(parse_transaction(raw)) == ()
        assert len(chain.ledger._asked.read) <= 5
