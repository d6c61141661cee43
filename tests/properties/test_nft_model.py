"""Badges against a naive model: lists and plain Python, no agenda, no revisions, no queue, and nothing late.

Random actors mint, send, burn, ask, record events and let time pass; the chain's agenda lags now and then. Whenever
nothing waits, what views show is what the model has, and in the end every history is, too.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from contracts_py.nft.badges import TOKENS_AT_ONCE
from contracts_py.nft.records import HELD_DUE
from tests.contract_harness import Chain, account_of
from tests.support.badges import badge_brand, collection_args
from vm.contract_api import MS_PER_DAY, MS_PER_HOUR, Context
from vm.params import Params

PEOPLE = ("ann", "bob", "eve")
COLLECTIONS = ("aurora-club", "aurora-cup")
MAX_SUPPLY = 40
EVOLUTION = [
    {"on": {"event": "visit"}, "when": "event.amount > 0", "set": {"visits": "token.traits.visits + event.amount"}},
    {"on": {"event": "visit"}, "when": "token.traits.visits >= 6", "set": {"level": '"silver"'}},
    {"on": {"event": "visit"}, "when": "100 / (event.amount - 3) > 1000", "set": {"vip": "true"}},
    {"on": {"held_days": 2}, "when": "true", "set": {"motto": 'token.traits.motto + "h"'}},
    {"on": {"held_days": 5}, "when": "token.held_days == 5", "set": {"visits": "token.traits.visits + 10"}},
    {
        "on": "manual",
        "when": 'token.traits.visits >= 12 && token.traits.level == "silver"',
        "set": {"level": '"gold"', "motto": 'token.traits.motto + "m"'},
    },
]


@dataclass
class Piece:
    """A badge of the model."""

    owner: str
    since: int
    traits: dict[str, Any] = field(
        default_factory=lambda: {"level": "basic", "motto": "", "vip": False, "visits": 0}
    )
    causes: list[str] = field(default_factory=lambda: ["mint"])
    held: int = 0
    burned: bool = False

    def pass_time(self, now: int) -> None:
        """Do at once whatever has fallen due."""
        for days in (2, 5):
            if self.held < days and self.since + days * MS_PER_DAY <= now:
                self.held = days
                change = (
                    {"motto": self.traits["motto"] + "h"} if days == 2 else {"visits": self.traits["visits"] + 10}
                )
                self.become("held", change)

    def become(self, cause: str, change: dict[str, Any]) -> bool:
        """Take other values, unless they are the same, or no longer what the collection takes."""
        if not 0 <= change.get("visits", 0) <= 100 or change.items() <= self.traits.items():
            return False
        self.traits.update(change)
        self.causes.append(cause)
        return True

    def visit(self, amount: int) -> None:
        """Hear of a visit."""
        before = dict(self.traits)
        if amount > 0 and self.traits["visits"] + amount <= 100:
            self.traits["visits"] += amount
        if self.traits["visits"] >= 6:
            self.traits["level"] = "silver"
        if self.traits != before:
            self.causes.append("event")


class Run:
    """A chain, its model, and what happens to both."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        ops = [("nft.create_collection", self._collection(name)) for name in COLLECTIONS]
        params = Params(max_block_cost=200_000, max_tx_cost=150_000)
        self.chain = Chain([*badge_brand("aurora"), *ops], params)
        self.pieces: dict[tuple[str, int], Piece] = {}
        self.badges = next(
            room for room in self.chain.runtime.contracts if type(room).__name__ == "Evolutions"
        ).badges  # type: ignore[attr-defined]

    def _collection(self, name: str) -> dict[str, Any]:
        soulbound = name == "aurora-cup"
        return collection_args(collection=name, soulbound=soulbound, max_supply=MAX_SUPPLY, evolution=EVOLUTION)

    def living(self) -> list[tuple[str, int]]:
        return [key for key, piece in self.pieces.items() if not piece.burned]

    def outcome(self, person: str, call: str, **args: Any) -> str:
        """Execute a call in a block of its own, before which the model's time passes too."""
        receipt = self.chain.send_ops(person, [(call, args)])
        for piece in self.pieces.values():
            if not piece.burned:
                piece.pass_time(self.chain.time)
        return receipt.error.code if receipt.error else "ok"

    # What actors do

    def mint(self) -> None:
        name, token = self.dice.choice(COLLECTIONS), self.dice.randrange(MAX_SUPPLY + 20)
        to = account_of(self.dice.choice(PEOPLE))
        found = self.outcome("aurora-issuer", "nft.mint", collection=name, token=token, to=to)
        expected = "ok"
        if (name, token) in self.pieces:
            expected = "ALREADY_EXISTS"
        elif sum(key[0] == name for key in self.pieces) >= MAX_SUPPLY:
            expected = "CAP_EXCEEDED"
        assert found == expected
        if found == "ok":
            self.pieces[name, token] = Piece(to, self.chain.time)

    def send(self) -> None:
        if not self.living():
            return
        key = self.dice.choice(self.living())
        piece, (person, other) = self.pieces[key], self.dice.sample(PEOPLE, 2)
        waits = self.waits(piece.owner)
        found = self.outcome(person, "nft.transfer", collection=key[0], token=key[1], to=account_of(other))
        expected = {"ok"}
        if account_of(person) != piece.owner:
            expected = {"NOT_AUTHORISED"}
        elif key[0] == "aurora-cup":
            expected = {"NOT_TRANSFERABLE"}
        elif waits:
            expected = {"ok", "NOT_ELIGIBLE"}  # By the time of the block they may have heard.
        assert found in expected
        if found == "ok":
            piece.owner, piece.since, piece.held = account_of(other), self.chain.time, 0

    def burn(self) -> None:
        if not self.living():
            return
        key = self.dice.choice(self.living())
        piece, person = self.pieces[key], self.dice.choice(PEOPLE)
        if self.waits(piece.owner):
            return  # What a token has not heard of when it is burned it never hears of.
        found = self.outcome(person, "nft.burn", collection=key[0], token=key[1])
        assert found == ("ok" if account_of(person) == piece.owner else "NOT_AUTHORISED")
        if found == "ok":
            piece.burned = True
            piece.causes.append("burn")

    def ask(self) -> None:
        if not self.living():
            return
        key = self.dice.choice(self.living())
        piece = self.pieces[key]
        waits = self.waits(piece.owner)
        found = self.outcome("eve", "nft.evolve", collection=key[0], token=key[1])
        traits = piece.traits
        holds = traits["visits"] >= 12 and traits["level"] == "silver"
        if waits and found == "NOT_ELIGIBLE":
            return
        assert found == ("ok" if holds else "NOT_ELIGIBLE")
        if holds:
            piece.become("manual", {"level": "gold", "motto": traits["motto"] + "m"})

    def record(self) -> None:
        member, amount = account_of(self.dice.choice(PEOPLE)), self.dice.randrange(4)

        def hear(ctx: Context) -> None:
            self.badges.on_event(ctx, "aurora", member, "visit", {"amount": amount})

        self.chain.govern(hear)
        for key in self.living():
            if self.pieces[key].owner == member:
                self.pieces[key].visit(amount)

    def wait(self) -> None:
        ms = self.dice.choice([200, MS_PER_HOUR, MS_PER_DAY, 3 * MS_PER_DAY])
        lagging = HELD_DUE if self.dice.random() < 0.3 else None
        self.chain.until(self.chain.time + ms, postponing=lagging)
        for key in self.living():
            self.pieces[key].pass_time(self.chain.time)

    # What is compared

    def waits(self, owner: str) -> bool:
        found = self.chain.view("nft_tokens", owner=owner, limit=1)["items"]
        return bool(found and "waiting" in found[0])

    def compare(self, *, all_of_it: bool = False) -> None:
        for (name, token), piece in self.pieces.items():
            if piece.burned:
                continue
            found = self.chain.view("nft_token", collection=name, token=token)
            assert (found["owner"], found["since"]) == (piece.owner, piece.since)
            late = "waiting" in found or found.get("due", self.chain.time + 1) <= self.chain.time
            assert not (late and all_of_it)
            if not late:
                assert found["traits"] == piece.traits
                assert found["version"] == len(piece.causes)
        for name in COLLECTIONS:
            shown = self.chain.view("nft_collection", collection=name)
            mine = [piece for key, piece in self.pieces.items() if key[0] == name]
            burned = sum(piece.burned for piece in mine)
            assert (shown["minted"], shown["burned"], shown["living"]) == (len(mine), burned, len(mine) - burned)
        self.compare_indexes()

    def compare_indexes(self) -> None:
        for person in PEOPLE:
            owned = self.chain.view("nft_tokens", owner=account_of(person), limit=1_000)["items"]
            mine = sorted(key for key in self.living() if self.pieces[key].owner == account_of(person))
            assert [(one["collection"], one["token"]) for one in owned] == mine

    def compare_histories(self) -> None:
        for (name, token), piece in self.pieces.items():
            found = self.chain.view("nft_history", collection=name, token=token, limit=1_000)["items"]
            assert [one["cause"]["kind"] for one in found] == piece.causes
            assert found[-1]["traits"] == piece.traits
            if not piece.burned:
                metadata = self.chain.view("nft_metadata", collection=name, token=token)
                assert metadata["metadata_hash"] == found[-1]["metadata_hash"]


@pytest.mark.parametrize("seed", range(4))
def test_badges_are_what_a_naive_model_has(seed: int) -> None:
    run = Run(seed)
    deeds: list[tuple[Callable[[], None], int]] = [
        (run.mint, 30), (run.record, 25), (run.wait, 15), (run.send, 12), (run.ask, 10), (run.burn, 4),
    ]  # fmt: skip
    crowded = 0
    for number in range(260):
        (deed,) = run.dice.choices([one for one, _ in deeds], [weight for _, weight in deeds])
        deed()
        crowded += any(run.waits(account_of(person)) for person in PEOPLE)
        if number % 20 == 0:
            run.compare()
    for _ in range(20):
        run.chain.until(run.chain.time + MS_PER_HOUR)
    for key in run.living():
        run.pieces[key].pass_time(run.chain.time)
    run.compare(all_of_it=True)
    run.compare_histories()
    assert crowded > 5, "no account ever had more than its tokens' share"
    assert len(run.pieces) > TOKENS_AT_ONCE * len(PEOPLE)
    causes = {cause for piece in run.pieces.values() for cause in piece.causes}
    assert causes == {"mint", "event", "held", "manual", "burn"}
