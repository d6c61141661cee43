"""Exchanges under treaties, in one step or along a route, and quotes."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from contracts_py.clearing import Clearing
from contracts_py.identity import Authority
from contracts_py.swap.answers import Exchange, Hop, Quote, RouteExchange, SwapLot
from contracts_py.swap.events import Exchanged
from contracts_py.swap.limits import available, use_limits
from contracts_py.swap.rates import divided, net_rate
from contracts_py.swap.records import LEADING_FROM, MAX_HOPS, TREATIES, Treaty, status_of
from contracts_py.token import NEVER, Ledger, Parts
from vm.contract_api import (
    MAX_INT,
    Address,
    Amount,
    Context,
    Contract,
    Count,
    Meta,
    Refused,
    Slug,
    call,
    refuse,
    view,
)

Route = Annotated[tuple[Slug, ...], Meta(min_length=1, max_length=MAX_HOPS)]


class Exchanges(Contract):
    """The room for exchanges."""

    name = "swap"

    def __init__(self, authority: Authority, clearing: Clearing, ledger: Ledger) -> None:
        self._authority = authority
        self._clearing = clearing
        self._ledger = ledger

    @call
    def exchange(
        self,
        ctx: Context,
        treaty: Slug,
        amount: Amount,
        min_out: Count,
        from_: Address | None = None,
        to: Address | None = None,
    ) -> Exchange:
        """Exchange points under a treaty (holder); `to` is linked to `from`. It takes no more than it needs for
        `out`.
        """
        done = self._exchange(ctx, (treaty,), amount, min_out, from_, to)
        return Exchange(done.taken, done.out, done.lots, done.debt_paid)

    @call
    def exchange_route(
        self,
        ctx: Context,
        treaties: Route,
        amount: Amount,
        min_out: Count,
        from_: Address | None = None,
        to: Address | None = None,
    ) -> RouteExchange:
        """Exchange points along up to 4 treaties, each from where the one before leads to: all or nothing (holder).

        What a step gives beyond what the next one takes, less than one unit of that, stays with `to`.
        """
        return self._exchange(ctx, treaties, amount, min_out, from_, to)

    def _exchange(
        self,
        ctx: Context,
        names: tuple[str, ...],
        amount: int,
        min_out: int,
        from_: str | None,
        to: str | None,
    ) -> RouteExchange:
        source = self._ledger.require_holder(ctx, from_)
        target = source if to is None else to
        self._require_oneself(ctx, source, target)
        treaties = [self._require_open(ctx, name) for name in names]
        _require_connected(treaties)
        hops = planned(names, treaties, amount)
        if not hops:
            raise Refused("SLIPPAGE", "the amount is too small to give anything", min_out=max(1, min_out), out=0)
        out = hops[-1].out
        if out < min_out:
            raise Refused("SLIPPAGE", "it would give less than min_out", min_out=min_out, out=out)
        parts = self._ledger.swap_out(ctx, treaties[0].from_program, source, hops[0].taken)
        for step, (hop, treaty) in enumerate(zip(hops, treaties, strict=True)):
            use_limits(ctx, hop, treaty, source)
            parts = self._converted(ctx, treaty, parts, hop.out)
            booked = self._book(ctx, treaty, hop)
            if step + 1 < len(hops):
                parts, staying = _first(parts, hops[step + 1].taken)
                self._ledger.swap_through(ctx, treaty.to_program, target, staying, parts)
            sides = (treaty.from_program, treaty.to_program, treaty.from_brand, treaty.to_brand)
            ctx.emit(Exchanged(hop.treaty, *sides, source, target, hop.taken, hop.out, booked))
        debt_paid = self._ledger.swap_in(ctx, treaties[-1].to_program, target, parts)
        for treaty in treaties:
            self._ledger.require_backed(ctx, treaty.to_program)
            self._ledger.require_backed_brand(ctx, treaty.from_brand, treaty.to_program)
        lots = tuple([SwapLot(size, None if date == NEVER else date) for date, size in parts])
        return RouteExchange(hops[0].taken, out, lots, debt_paid, hops=tuple(hops))

    def _require_oneself(self, ctx: Context, source: str, target: str) -> None:
        if source != target and not self._authority.linked(ctx, source, target):
            raise Refused("NOT_ELIGIBLE", "points are exchanged for oneself, or a linked account", to=target)

    def _require_open(self, ctx: Context, name: str) -> Treaty:
        treaty = TREATIES.require(ctx, name)
        status = status_of(treaty, ctx.time)
        if status == "ended":
            raise Refused("EXPIRED", "the treaty is over", treaty=name)
        if status == "suspended":
            raise Refused("SUSPENDED", "the treaty is suspended", treaty=name, by=list(treaty.suspended_by))
        if status != "active":
            raise Refused("NOT_ELIGIBLE", f"the treaty is {status}", treaty=name)
        # Who gives points of a brand that has left would make it owe something after its run-off.
        if self._authority.has_left(ctx, treaty.from_brand):
            raise Refused("SUSPENDED", "the brand has left the alliance", brand=treaty.from_brand)
        self._authority.require_active(ctx, treaty.to_brand)
        return treaty

    def _converted(self, ctx: Context, treaty: Treaty, parts: Parts, out: int) -> Parts:
        """Return what comes for from-parts: `out` divided over them, each with the earlier date."""
        rules = self._ledger.rules(ctx, treaty.to_program)
        merged: dict[int, int] = {}
        for date, share in divided(out, parts):
            if share:
                new = self._ledger.exchanged_date(ctx, rules, date)
                merged[new] = merged.get(new, 0) + share
        return sorted(merged.items())

    def _book(self, ctx: Context, treaty: Treaty, hop: Hop) -> int:
        rules = self._ledger.rules(ctx, treaty.to_program)
        return self._clearing.book(
            ctx,
            treaty.from_brand,
            treaty.to_brand,
            treaty.to_program,
            rules.price_version,
            rules.price,
            hop.out,
            "exchange",
            hop.treaty,
        )

    # Views

    @view
    def quote(self, ctx: Context, from_program: Slug, to_program: Slug, amount: Amount) -> Quote:
        """Return the route of up to 4 treaties that gives most now, the shortest of those that give as much."""
        for program in (from_program, to_program):
            self._ledger.rules(ctx, program)
        if from_program == to_program:
            refuse("to_program", "another program than from_program")
        names = self._best_route(ctx, from_program, to_program, amount)
        hops = planned(names, [TREATIES.require(ctx, name) for name in names], amount) if names else []
        if not hops:
            return Quote(from_program, to_program, amount, 0, 0, ())
        return Quote(from_program, to_program, amount, hops[0].taken, hops[-1].out, tuple(hops))

    def _best_route(self, ctx: Context, from_program: str, to_program: str, amount: int) -> tuple[str, ...]:
        """Return the treaties of the best route, none where there is none.

        More units of a program never give less, so the best way to each program in so many steps goes through the
        best way to one before it in one step less.
        """
        reached: dict[str, tuple[int, tuple[str, ...]]] = {from_program: (amount, ())}
        best: tuple[int, tuple[str, ...]] = (0, ())
        for _ in range(MAX_HOPS):
            following: dict[str, tuple[int, tuple[str, ...]]] = {}
            for program, (units, names) in reached.items():
                for name in LEADING_FROM.iterate(ctx, program):
                    treaty = TREATIES.require(ctx, name)
                    out = self._quoted(ctx, name, treaty, units)
                    if out > following.get(treaty.to_program, (0, ()))[0]:
                        following[treaty.to_program] = (out, (*names, name))
            if following.get(to_program, (0, ()))[0] > best[0]:
                best = following[to_program]
            reached = {program: way for program, way in following.items() if program != to_program}
        return best[1]

    def _quoted(self, ctx: Context, name: str, treaty: Treaty, units: int) -> int:
        """Return what an open treaty gives for so many units within its limits; 0 where it gives nothing."""
        if status_of(treaty, ctx.time) != "active" or self._authority.has_left(ctx, treaty.from_brand):
            return 0
        if not self._authority.is_active(ctx, treaty.to_brand):
            return 0
        rate = net_rate(treaty.terms)
        out = rate.out(units)
        if not out or out > MAX_INT:
            return 0
        return out if available(ctx, name, treaty, rate.least(out), out) else 0


def planned(names: tuple[str, ...], treaties: list[Treaty], amount: int) -> list[Hop]:
    """Return the steps of a route: the most that an amount gives, taking the least for it; none for nothing."""
    rates = [net_rate(treaty.terms) for treaty in treaties]
    out = amount
    for rate in rates:
        out = rate.out(out)
        if not out:
            return []
    steps: list[Hop] = []
    for name, rate in zip(reversed(names), reversed(rates), strict=True):
        taken = rate.least(out)
        # What is taken may give a little more than the next step takes; that stays with the account.
        steps.append(Hop(name, taken, rate.out(taken)))
        out = taken
    return steps[::-1]


def _require_connected(treaties: list[Treaty]) -> None:
    for before, after in pairwise(treaties):
        if before.to_program != after.from_program:
            refuse("treaties", "each begins with the program to which the one before it leads")


def _first(parts: Parts, amount: int) -> tuple[Parts, Parts]:
    """Divide parts into the first `amount` points, and the rest."""
    first: Parts = []
    rest: Parts = []
    for date, size in parts:
        part = min(size, amount)
        amount -= part
        if part:
            first.append((date, part))
        if size > part:
            rest.append((date, size - part))
    return first, rest
