"""Sets that change and change back, several times in a block, against a naive model and a light client.

Proposals and rotations in any order, with keys of former validators, of full nodes, of other brands: after every
block the set is the model's, and at the end a newcomer who holds the genesis document alone follows the certified
changes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts_py.gov.actions import MAX_ROTATIONS_PER_DAY, MIN_VALIDATORS
from network.messages import GetSetChanges, SetChanges
from node.chain.ledger import Ledger
from node.light_client.chain import TrustedChain
from node.sync.snapshot_server import SnapshotServer
from node.sync.snapshot_trust import SnapshotTrust
from tests.support.ledger import BRANDS as FOUNDERS
from tests.support.ledger import LocalChain, address_of, key_of
from vm.chain_records import ValidatorEntry
from vm.membership import change_count, current_nodes, current_validators, membership_change
from vm.primitives.keys import SigningKey

BRANDS = (*FOUNDERS, "echo", "fjord")
KEYS = [*(key_of(f"{brand}-validator") for brand in FOUNDERS), *(key_of(f"spare-{i}") for i in range(4))]
REGISTER = [
    ("identity.register_brand", {"brand": brand, "name": brand.title(), "admins": [address_of(f"{brand}-admin")]})
    for brand in BRANDS[len(FOUNDERS) :]
]
DEPTH = 3
"""Blocks after which the last change has decided a height."""

Step = tuple[str, int, int]
"""What to do, to which brand, with which key."""


@dataclass
class Model:
    """What the alliance's list of validators and nodes should be."""

    validators: dict[str, bytes] = field(
        default_factory=lambda: {brand: KEYS[i].public_key for i, brand in enumerate(FOUNDERS)}
    )
    nodes: frozenset[bytes] = frozenset()
    rotations: dict[str, int] = field(default_factory=dict)

    def rotate(self, brand: str, key: bytes) -> None:
        done = self.rotations.get(brand, 0)
        if brand in self.validators and key not in self.validators.values() and done < MAX_ROTATIONS_PER_DAY:
            self.rotations[brand] = done + 1
            self.validators[brand] = key
            self.nodes -= {key}

    def decide(self, steps: list[Step]) -> None:
        """Do all steps of a proposal, or none."""
        validators, nodes = dict(self.validators), self.nodes
        for what, brand_place, key_place in steps:
            brand, key = BRANDS[brand_place], KEYS[key_place].public_key
            if what == "add" and brand not in validators and key not in validators.values():
                validators[brand] = key
                nodes -= {key}
            elif what == "remove" and brand in validators:
                del validators[brand]
            elif what == "node" and key not in nodes and key not in validators.values():
                nodes |= {key}
            else:
                return
        if len(validators) >= MIN_VALIDATORS:
            self.validators, self.nodes = validators, nodes

    def entries(self) -> tuple[ValidatorEntry, ...]:
        made = [ValidatorEntry(key, brand) for brand, key in self.validators.items()]
        return tuple(sorted(made, key=lambda entry: entry.public_key))


ACTIONS = {"add": "add_validator", "remove": "remove_validator", "node": "add_node"}


def action(step: Step) -> dict[str, Any]:
    what, brand, key = step
    made: dict[str, Any] = {"action": ACTIONS[what]}
    if what != "node":
        made["brand"] = BRANDS[brand]
    if what != "remove":
        made["key"] = KEYS[key].public_key.hex()
    return made


class Alliance:
    """A chain, its model, and what was expected after each height."""

    def __init__(self, path: Path) -> None:
        self.chain = LocalChain(path, REGISTER)
        self.chain.signing_keys |= {key.public_key: key for key in KEYS}
        self.model = Model()
        self.expected = [self.model.entries()]
        self._proposals = 0

    def proposal(self, steps: list[Step]) -> bytes:
        """Return a transaction in which every brand proposes and votes at once."""
        self._proposals += 1
        name = f"proposal-{self._proposals}"
        actions = [action(step) for step in steps]
        propose = {"proposal": name, "brand": min(self.model.validators), "title": "A change", "actions": actions}
        ops = [("gov.propose", propose), ("gov.vote", {"proposal": name, "choice": "yes"})]
        cosigners = [key_of(f"{brand}-admin") for brand in BRANDS[1:]]
        return self.chain.sign("aurora-admin", ops, cosigners=cosigners)

    def rotation(self, brand: str, new: SigningKey) -> bytes | None:
        old = self.model.validators.get(brand)
        if old is None:
            return None
        args = {"old": old.hex(), "new": new.public_key.hex()}
        return self.chain.sign(f"{brand}-admin", [("gov.rotate_key", args)], cosigners=[new])

    def block(self, *changes: list[Step]) -> None:
        """Make a block of proposals and rotations, and look at all that follows from it."""
        raws = []
        for steps in changes:
            what, brand, key = steps[0]
            if what == "rotate":
                raws.append(self.rotation(BRANDS[brand], KEYS[key]))
                self.model.rotate(BRANDS[brand], KEYS[key].public_key)
            else:
                raws.append(self.proposal(steps))
                self.model.decide(steps)
        self.chain.commit([raw for raw in raws if raw is not None])
        self.expected.append(self.model.entries())
        self._look()

    def _look(self) -> None:
        chain, ledger = self.chain, self.chain.ledger
        assert current_validators(chain.store.reader) == self.expected[chain.height]
        assert frozenset(current_nodes(chain.store.reader)) == self.model.nodes
        context = ledger.height_context()
        deciding = self.expected[max(0, chain.height - 1)]
        assert [v.public_key for v in context.validators.validators] == [e.public_key for e in deciding]
        assert sorted(context.order) == list(range(len(deciding)))
        assert Ledger(chain.genesis, chain.runtime, chain.store, None).height_context() == context

    def history(self) -> list[tuple[int, tuple[ValidatorEntry, ...]]]:
        reader = self.chain.store.reader
        changes = [membership_change(reader, place) for place in range(change_count(reader))]
        return [(change.height, change.validators) for change in changes[1:]]

    def follow_from_genesis(self) -> tuple[TrustedChain, SnapshotTrust]:
        """Return what a newcomer believes of the sets, asking for everything."""
        trusted = TrustedChain.from_genesis(self.chain.genesis)
        trust = SnapshotTrust(trusted)
        reply = SnapshotServer(self.chain.ledger).answer(GetSetChanges(id=1, above=0))
        assert isinstance(reply, SetChanges)
        trust.follow(reply.items, below=self.chain.height + 1)
        return trusted, trust

    def end(self) -> None:
        """Let the last change decide, and check the history."""
        for _ in range(DEPTH):
            self.block()
        pairs = zip(self.expected[1:], self.expected, strict=False)
        changed = [(height, now) for height, (now, before) in enumerate(pairs, start=1) if now != before]
        assert self.history() == changed
        trusted, trust = self.follow_from_genesis()
        assert len(trust.links) == len(changed)
        assert trusted.validators.hash == self.chain.ledger.next_validators().hash


@contextmanager
def alliance() -> Iterator[Alliance]:
    with tempfile.TemporaryDirectory() as folder:
        made = Alliance(Path(folder) / "data")
        try:
            yield made
        finally:
            made.chain.close()


brand_places, key_places = st.integers(0, len(BRANDS) - 1), st.integers(0, len(KEYS) - 1)
steps = st.tuples(st.sampled_from(["add", "remove", "node", "add"]), brand_places, key_places)
rotations = st.tuples(st.just("rotate"), brand_places, key_places).map(lambda step: [step])
blocks = st.lists(st.lists(st.lists(steps, min_size=1, max_size=3) | rotations, max_size=3), max_size=8)

ADD_ECHO, REMOVE_ECHO = ("add", 4, 4), ("remove", 4, 0)
LEAVE, RETURN = ("remove", 3, 0), ("add", 3, 3)


@settings(max_examples=15, deadline=None)
@given(made=blocks)
@example([[[ADD_ECHO], [REMOVE_ECHO]]])
@example([[[ADD_ECHO]], [[LEAVE, RETURN]], [[LEAVE], [RETURN]], [[LEAVE]], [[RETURN]]])
@example([[[ADD_ECHO]], [[LEAVE]], [[("rotate", 0, 3)]], [[("rotate", 0, 0)]], [[RETURN]]])
@example([[[("rotate", 0, 4)]], [[("rotate", 0, 0)]], [[("rotate", 0, 4)], [("rotate", 0, 0)], [("rotate", 0, 5)]]])
@example([[[("node", 0, 4)]], [[ADD_ECHO, ("node", 0, 5)]], [[("rotate", 4, 5)], [("node", 0, 4)]]])
def test_the_set_is_what_was_decided_and_a_newcomer_can_follow_it(made: list[list[list[Step]]]) -> None:
    with alliance() as chain:
        for changes in made:
            chain.block(*changes)
        chain.end()


@pytest.mark.parametrize("earlier", range(5))
def test_the_proposer_of_the_block_that_removes_it_is_gone_two_heights_later(earlier: int) -> None:
    with alliance() as made:
        made.block([ADD_ECHO])
        for _ in range(DEPTH + earlier):
            made.block()
        context = made.chain.ledger.height_context()
        leaving = context.validators.validators[context.proposer(0)]
        made.block([("remove", BRANDS.index(leaving.brand), 0)])
        header = made.chain.ledger.header
        assert header is not None
        assert header.proposer == leaving.public_key
        for ahead in (1, 2, 3):
            now = made.chain.ledger.height_context()
            assert (now.validators.index_of(leaving.public_key) is not None) == (ahead == 1)
            made.block()
        made.end()


def test_two_validators_leave_in_adjacent_blocks_and_the_next_one_may_not() -> None:
    with alliance() as made:
        made.block([ADD_ECHO, ("add", 5, 5)])
        made.block([("remove", 0, 0)])
        made.block([("remove", 1, 0)])
        made.block([("remove", 2, 0)])
        assert sorted(made.model.validators) == ["comet", "dune", "echo", "fjord"]
        made.end()


def test_a_key_that_leaves_and_returns_in_the_next_block_misses_one_height_and_proposes_again() -> None:
    with alliance() as made:
        made.block([ADD_ECHO])
        for _ in range(20):
            made.block()
        key = KEYS[3].public_key
        made.block([LEAVE])
        made.block([RETURN])
        members, proposers = [], set()
        for _ in range(6):
            context = made.chain.ledger.height_context()
            members.append(context.validators.index_of(key) is not None)
            proposers.add(context.validators.validators[context.proposer(0)].public_key)
            made.block()
        assert members == [False, *[True] * 5]
        assert key in proposers
        made.end()
