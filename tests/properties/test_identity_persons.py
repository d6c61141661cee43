"""Links, referrals, merges, erasures and pools against a naive model: random sequences by people who all sign."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts_py.identity import groups, pools
from tests.contract_harness import Chain, as_read, brand_ops, key_of
from tests.properties.naive_persons import Persons, Refusal
from tests.support.persons import acts_for, ask, enroll
from vm.primitives.address import address_of_pool

DAY = 86_400_000
NAMES = ("ann", "bob", "cat", "dan", "eve", "fay", "gus")
MAX_GROUP, MAX_POOL = 4, 3
"""So small that few people meet them; what they are is for the unit tests."""

SIGNERS = ["aurora-issuer", "aurora-compliance"]

who = st.integers(0, len(NAMES) - 1)
pool = st.tuples(who, st.sampled_from(["home", "hut"]))
operations = st.one_of(
    st.tuples(st.just("link"), who, who),
    st.tuples(st.just("link"), who, who),
    st.tuples(st.just("unlink"), who, who),
    st.tuples(st.just("refer"), who, who),
    st.tuples(st.just("refer"), who, who),
    st.tuples(st.just("merge"), who, who),
    st.tuples(st.just("unmerge"), who),
    st.tuples(st.just("open"), pool),
    st.tuples(st.just("join"), pool, who),
    st.tuples(st.just("leave"), who),
    st.tuples(st.just("rules"), pool, st.lists(who, min_size=1, max_size=3)),
    st.tuples(st.just("wait"), st.integers(1, 20)),
    st.tuples(st.sampled_from(["erase", "link", "refer"]), who, who),
)


@pytest.fixture(autouse=True, scope="module")
def small() -> Iterator[None]:
    """Keep groups and pools small."""
    patch = pytest.MonkeyPatch()
    patch.setattr(groups, "MAX_GROUP", MAX_GROUP)
    patch.setattr(pools, "MAX_POOL_MEMBERS", MAX_POOL)
    yield
    patch.undo()


class Twins:
    """A chain and the model, to both of which the same happens."""

    def __init__(self) -> None:
        self.chain = Chain(brand_ops("aurora"))
        self.members = [enroll(self.chain, "aurora", name) for name in NAMES]
        for name, member in zip(NAMES, self.members, strict=True):
            self._send("card_add", member=member, commitment=key_of(f"card of {name}").hex())
        self.model = Persons(self.members, MAX_GROUP, MAX_POOL)

    def do(self, operation: tuple[Any, ...]) -> None:
        """Let one operation happen to both; both refuse it for the same reason, or neither does."""
        kind, *rest = operation
        if kind == "wait":
            self.chain.until(self.chain.time + rest[0] * DAY)
            return
        getattr(self, f"_{kind}")(*rest)

    def _both(self, call: str, modelled: Any, **args: Any) -> None:
        outcome, expected = self._send(call, **args), "ok"
        try:
            modelled()
        except Refusal as refusal:
            expected = str(refusal)
        assert outcome == expected, (call, args)

    def _send(self, call: str, **args: Any) -> str:
        receipt = self.chain.send_ops(SIGNERS[0], [(f"identity.{call}", args)], SIGNERS)
        return receipt.error.code if receipt.error else receipt.status

    def _link(self, a: int, b: int) -> None:
        member, other = self.members[a], self.members[b]
        self._both("link", lambda: self.model.link(member, other), member=member, other=other)

    def _unlink(self, a: int, b: int) -> None:
        member, other = self.members[a], self.members[b]
        self._both("unlink", lambda: self.model.unlink(member, other), member=member, other=other)

    def _refer(self, a: int, b: int) -> None:
        member, referrer = self.members[a], self.members[b]
        now = self.chain.time + 200
        self._both("refer", lambda: self.model.refer(member, referrer, now), member=member, referrer=referrer)

    def _merge(self, a: int, b: int) -> None:
        source, into = self.members[a], self.members[b]
        now = self.chain.time + 200
        args = {"from": source, "into": into, "reason": "same"}
        self._both("merge", lambda: self.model.merge(source, into, now), **args)

    def _unmerge(self, a: int) -> None:
        source, now = self.members[a], self.chain.time + 200
        self._both("unmerge", lambda: self.model.unmerge(source, now), **{"from": source})

    def _erase(self, a: int, _: int) -> None:
        member = self.members[a]
        self._both("erase", lambda: self.model.erase(member), member=member)

    def _open(self, pool: tuple[int, str]) -> None:
        member, name = self.members[pool[0]], pool[1]
        self._both("pool_open", lambda: self.model.open(member, name), member=member, name=name)

    def _join(self, pool: tuple[int, str], a: int) -> None:
        key, member = (self.members[pool[0]], pool[1]), self.members[a]
        args = {"pool": address_of_pool(*key), "member": member}
        self._both("pool_join", lambda: self.model.join(key, member), **args)

    def _leave(self, a: int) -> None:
        member = self.members[a]
        self._both("pool_leave", lambda: self.model.leave(member), member=member)

    def _rules(self, pool: tuple[int, str], chosen: list[int]) -> None:
        key, spenders = (self.members[pool[0]], pool[1]), [self.members[a] for a in chosen]
        args = {"pool": address_of_pool(*key), "spenders": spenders}
        self._both("pool_rules", lambda: self.model.rules(key, spenders), **args)

    def compare(self) -> None:
        """Compare all that can be asked of both."""
        model, chain = self.model, self.chain
        for name, member in zip(NAMES, self.members, strict=True):
            assert ask(chain, "linked_addresses", member) == tuple(sorted(model.group(member)))
            assert ask(chain, "current_account", member) == model.current(member)
            referrer = ask(chain, "referrer_of", member)
            assert referrer in model.in_force(member) or (referrer is None and not model.in_force(member))
            card = key_of(f"card of {name}").hex()
            held = f"identity/card/{card}" in chain.state.values
            assert held == (member not in model.erased)
            if held:
                assert chain.view("identity_card", commitment=card)["member"] == model.current(member)
            pool, found = model.pool_of(member), ask(chain, "pool_of", member)
            assert (found and found[0]) == (pool and address_of_pool(*pool))
            assert ask(chain, "custodian_of", member) == "aurora"
        for key, members in model.pools.items():
            shown = as_read(chain.view("identity_pool", pool=address_of_pool(*key)))
            assert (shown["members"], shown["spenders"]) == (members, model.may_spend(key))
            assert acts_for(chain, address_of_pool(*key), "aurora-issuer") == bool(model.may_spend(key))
        self._check_rules()

    def _check_rules(self) -> None:
        """Check what must hold whatever the model thinks."""
        listed = {member: ask(self.chain, "linked_addresses", member) for member in self.members}
        for member, group in listed.items():
            assert len(set(group)) == len(group) <= MAX_GROUP
            assert all(listed[other] == group for other in group), "who is in a group sees the same group"
            referrer, seen = ask(self.chain, "referrer_of", member), {member}
            assert referrer not in group
            while referrer is not None:
                assert referrer not in seen, "no circle of referrals"
                seen.add(referrer)
                referrer = ask(self.chain, "referrer_of", referrer)


@settings(max_examples=int(os.environ.get("IDENTITY_EXAMPLES", "50")), deadline=None)
@given(st.lists(operations, min_size=10, max_size=40))
def test_persons_are_as_a_naive_model_has_them(operations: list[tuple[Any, ...]]) -> None:
    twins = Twins()
    for operation in operations:
        twins.do(operation)
        twins.compare()
