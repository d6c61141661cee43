"""What contracts below and above have to do with badges: events of campaigns, changes of tier, the effect `evolve`.

A member's tokens hear of an *occasion* in the order (collection, token). The first that change do so in the
operation; the others wait, with the facts of the time. While something waits for an account, all that comes later
waits behind it, so each token hears of everything in its order.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from contracts_py.nft.evolver import Evolver, Failures, refuse_unchanged
from contracts_py.nft.records import (
    COLLECTIONS,
    MERGED,
    ON_EVENT,
    ON_TIER,
    OWNED,
    TOKENS,
    WAITING,
    WAITS,
    WAITS_DUE,
    Cause,
    Occasion,
    Waits,
)
from contracts_py.nft.rulebook import EVENT, MANUAL, TIER
from contracts_py.tier import TierChange
from vm.contract_api import Context, Refused, encode
from vm.rules import Value

TOKENS_AT_ONCE: Final = 8
"""Tokens of one member that an operation lets evolve; shoppers have one or two in a collection."""

TOKENS_OF_STEP: Final = 2
"""Tokens that a step of the agenda lets evolve: at most some 6,000 units."""

Item = tuple[str, int]
EventFacts = Mapping[str, Value]


class Badges:
    """What campaign calls, and tier's hook tells; satisfies campaign's protocol. It checks no roles."""

    def __init__(self, evolver: Evolver) -> None:
        self._evolver = evolver

    def brand_of(self, ctx: Context, collection: str) -> str:
        """Return the brand of a collection.

        Raises:
            Refused: NOT_FOUND.
        """
        return COLLECTIONS.require(ctx, collection).brand

    def on_event(self, ctx: Context, brand: str, member: str, event: str, facts: Mapping[str, Value]) -> None:
        """Let a member's tokens of a brand's collections hear of an event.

        Args:
            facts: `event`, as rules see it.

        Raises:
            Refused: OUT_OF_BUDGET.
        """
        names = list(ON_EVENT.iterate(ctx, brand, event))
        if names:
            self._tell(ctx, member, names, Occasion(brand, ctx.time, event, tx=ctx.tx_id or None), facts)

    def on_tier(self, ctx: Context, changed: TierChange) -> None:
        """Let a member's tokens of a brand's collections hear that its level is another one."""
        names = list(ON_TIER.iterate(ctx, changed.brand))
        if names:
            self._tell(ctx, changed.member, names, Occasion(changed.brand, ctx.time, tx=ctx.tx_id or None), None)

    def evolve(self, ctx: Context, collection: str, member: str) -> None:
        """Let a member's tokens of a collection evolve by its manual rules.

        Raises:
            Refused: NOT_FOUND, there is no such collection; NOT_ELIGIBLE, none of the first tokens changes.
        """
        COLLECTIONS.require(ctx, collection)
        require_heard(ctx, member)
        changed = False
        failures: Failures = []
        for name, token in islice(_owned(ctx, member, [collection], None), TOKENS_AT_ONCE):
            before = self._evolver.catch_up(ctx, name, token, ctx.time).version
            cause = Cause("manual", tx=ctx.tx_id or None)
            after, failed = self._evolver.evolve(ctx, name, token, MANUAL, cause, {}, ctx.time)
            failures += failed
            changed = changed or after.version != before
        if not changed:
            refuse_unchanged(failures)

    def _tell(
        self,
        ctx: Context,
        account: str,
        names: Sequence[str],
        occasion: Occasion,
        facts: EventFacts | None,
    ) -> None:
        """Let the first tokens hear of an occasion at once, unless others wait before it; the rest waits."""
        waits = WAITS.get(ctx, account)
        if waits is None:
            items = list(islice(_owned(ctx, account, names, None), TOKENS_AT_ONCE + 1))
            for item in items[:TOKENS_AT_ONCE]:
                self._hear_one(ctx, item, occasion, facts)
            if len(items) <= TOKENS_AT_ONCE:
                return
            occasion = replace(occasion, after=items[TOKENS_AT_ONCE - 1])
            waits = Waits(0, 0)
            WAITS_DUE.put(ctx, ctx.time, account)
        kept = b"" if facts is None else encode(facts)
        WAITING.put(ctx, replace(occasion, facts=kept), account, waits.next)
        WAITS.put(ctx, replace(waits, next=waits.next + 1), account)

    def hear(self, ctx: Context, account: str) -> bool:
        """Let some more tokens of an account hear of what waits first; tell whether anything still waits."""
        waits = WAITS.require(ctx, account)
        occasion = WAITING.require(ctx, account, waits.first)
        listeners = ON_TIER.iterate(ctx, occasion.brand)
        if occasion.event is not None:
            listeners = ON_EVENT.iterate(ctx, occasion.brand, occasion.event)
        facts = msgspec.msgpack.decode(occasion.facts) if occasion.facts else None
        items = list(islice(_candidates(ctx, account, list(listeners), occasion.after), TOKENS_OF_STEP))
        for item in items:
            self._hear_one(ctx, item, occasion, facts)
        if len(items) == TOKENS_OF_STEP:
            WAITING.put(ctx, replace(occasion, after=items[-1]), account, waits.first)
            return True
        WAITING.delete(ctx, account, waits.first)
        if waits.first + 1 < waits.next:
            WAITS.put(ctx, replace(waits, first=waits.first + 1), account)
            return True
        WAITS.delete(ctx, account)
        return False

    def _hear_one(self, ctx: Context, item: Item, occasion: Occasion, facts: EventFacts | None) -> None:
        """Let a token hear of an occasion, unless its owner has got it since."""
        name, token = item
        record = TOKENS.get(ctx, name, token)
        if record is None or record.since > occasion.at:
            return
        if occasion.event is None:
            self._evolver.evolve(ctx, name, token, TIER, Cause("tier", tx=occasion.tx), {}, occasion.at)
            return
        cause = Cause("event", event=occasion.event, tx=occasion.tx)
        given: dict[str, Any] = {"event": facts or {}}
        self._evolver.evolve(ctx, name, token, f"{EVENT}{occasion.event}", cause, given, occasion.at)


def waiting_of(ctx: Context, account: str) -> int:
    """Return of how many occasions an account's tokens have still to hear."""
    waits = WAITS.get(ctx, account)
    return 0 if waits is None else waits.next - waits.first


def require_heard(ctx: Context, account: str) -> None:
    """Refuse what would change the order in which an account's tokens hear of things.

    Raises:
        Refused: NOT_ELIGIBLE, something waits for them.
    """
    if waiting_of(ctx, account):
        raise Refused("NOT_ELIGIBLE", "the owner's tokens have still to evolve; try again some blocks later")


def _owned(ctx: Context, account: str, names: Sequence[str], after: Item | None) -> Iterator[Item]:
    """Yield an account's tokens of some collections, in order, behind one."""
    for name in names:
        if after is None or name >= after[0]:
            start = (name, 0) if after is None or name > after[0] else after
            for item in OWNED.iterate(ctx, account, start=start):
                if item[0] != name:
                    break
                if item != after:
                    yield item


def _candidates(ctx: Context, account: str, names: Sequence[str], after: Item | None) -> Iterator[Item]:
    """Yield an account's tokens of some collections, those too that a merge has taken from it since."""
    wanted = set(names)
    merged = (item for item in MERGED.iterate(ctx, account, after=after) if item[0] in wanted)
    for item, _ in groupby(heapq.merge(_owned(ctx, account, names, after), merged)):
        yield item
