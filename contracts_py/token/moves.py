"""All points of an account on their way to another: after a merge, its undoing, and when a member leaves a pool.

    moves.merged(ctx, Merge(source, target))      # told by identity, within its operation
    @due(MOVE_STEPS) moves.go_on                  # the agenda does what the operation has not

Anyone may have given an account points of hundreds of programs, or thousands of lots. So a move goes program by
program, and the operation that begins it carries a bounded number of lots; that is all there is of nearly every
account. The agenda goes on with the rest, in bounded steps.

Invariants:
    1. At every block each point is in one account: a step takes lots out of one purse and puts them into another.
    2. Moves out of one account go in the order in which they began, each through all programs once.
    3. What is owed to the receiver of a `leave`, an `unmerge` is spent by no other: until the move has passed a
       program, `spending.purse_with_points` refuses to take from the account there. A pool that closes has no
       spenders; it opens again for nobody else before the move is over.
    4. What a step moves to an account that was merged meanwhile, or had come late, goes on to its current one, and
       is noted with each account on the way: so undoing a merge finds it.
    5. RETURNING names exactly the accounts to which an `unmerge` is under way. None of them is merged again before
       it is over, nor is an account from which something is under way.
"""

from __future__ import annotations

from typing import Final

from contracts_py.identity import Merge, PoolChange
from contracts_py.token.answers import MoveShown
from contracts_py.token.deeds import MAX_LOTS_OF_STEP, MAX_MOVES, MOVE_STEPS, MOVES, RETURNING, Move
from contracts_py.token.households import Households
from contracts_py.token.merges import Merges
from contracts_py.token.records import PROGRAMS_OF
from vm.contract_api import Address, Context, Contract, Refused, due, view

STEP_LOTS: Final = 16
"""Lots that a step of the agenda carries: below 9,000 units, which fit the least budget of an agenda."""

LOTS_OF_PROGRAM: Final = 2
"""What looking at a program counts as: it reads and writes about as much as two lots do."""


class Moves(Contract):
    """The room for moves, and what identity tells token."""

    name = "token"

    def __init__(self, households: Households, merges: Merges) -> None:
        self._households = households
        self._merges = merges

    # Told by identity

    def merged(self, ctx: Context, merge: Merge) -> None:
        """Move the source's live lots and debt to the target, in every program in which neither is frozen.

        Raises:
            Refused: NOT_ELIGIBLE, points are on their way back from, or to, the source.
        """
        if MOVES.get(ctx, merge.source) or RETURNING.get(ctx, merge.source):
            words = "points of the account are on their way to another; merge it when they have arrived"
            raise Refused("NOT_ELIGIBLE", words, account=merge.source)
        self._begin(ctx, merge.source, Move("merge", merge.target))

    def unmerged(self, ctx: Context, merge: Merge) -> None:
        """Move back what had come from the source and is still there: by lot, and what is owed.

        In a program in which one of the two is frozen it stays with the target.
        """
        moves = _under_way(ctx, merge.source)
        if moves:  # Nothing else is on its way from an account that is merged.
            MOVES.delete(ctx, merge.source)
        if self._begin(ctx, merge.target, Move("unmerge", merge.source)):
            RETURNING.put(ctx, merge.target, merge.source)

    def left(self, ctx: Context, change: PoolChange) -> None:
        """Give a member who leaves his part of the pool's points, in every program; the last takes all.

        Where the pool is frozen nothing moves.

        Raises:
            Refused: LIMIT_EXCEEDED, many others' parts are on their way.
        """
        self._begin(ctx, change.pool, Move("leave" if change.members else "close", change.member))

    def joined(self, ctx: Context, change: PoolChange) -> None:
        """Leave with a pool what was on its way to a member who comes back.

        Raises:
            Refused: NOT_ELIGIBLE, the pool is opened again while its points are on their way to its last member.
        """
        moves = _under_way(ctx, change.pool)
        if not moves:
            return
        others = tuple([move for move in moves if move.to != change.member])
        if any(move.kind == "close" for move in others):
            words = "the pool's points are on their way to who left it last; open it when they have arrived"
            raise Refused("NOT_ELIGIBLE", words, account=change.pool)
        _put(ctx, change.pool, others)

    # Steps

    def _begin(self, ctx: Context, account: str, move: Move) -> bool:
        """Begin a move behind those that are under way; tell whether some of it remains for the agenda."""
        others = _under_way(ctx, account)
        if len(others) == MAX_MOVES:
            words = "as many moves out of the account are under way as may be"
            raise Refused("LIMIT_EXCEEDED", words, account=account, limit=MAX_MOVES)
        rest = move if others else self._carry(ctx, account, move, MAX_LOTS_OF_STEP)
        if rest is None:
            return False
        _put(ctx, account, (*others, rest))
        MOVE_STEPS.put(ctx, ctx.time, account)
        return True

    @due(MOVE_STEPS)
    def go_on(self, ctx: Context, at: int, account: str) -> bool:
        """Carry some more of the first of an account's moves; True while any is under way."""
        del at
        moves = _under_way(ctx, account)
        if not moves:
            return False
        first, others = moves[0], moves[1:]
        rest = self._carry(ctx, account, first, STEP_LOTS)
        if rest is None and first.kind == "unmerge":
            RETURNING.delete(ctx, first.to)
        left = others if rest is None else (rest, *others)
        _put(ctx, account, left)
        return bool(left)

    def _carry(self, ctx: Context, account: str, move: Move, lots: int) -> Move | None:
        """Carry as many lots as are said; return how far the move has come, None where it is over."""
        left = lots
        walked = move.to if move.kind == "unmerge" else account
        for program in PROGRAMS_OF.iterate(ctx, walked, after=move.done):
            left -= LOTS_OF_PROGRAM
            if left <= 0:
                return move
            move, carried, is_all = self._carry_in(ctx, program, account, move, left, lots - LOTS_OF_PROGRAM)
            if not is_all:
                return move
            left -= carried
            move = Move(move.kind, move.to, program)
        return None

    def _carry_in(
        self, ctx: Context, program: str, account: str, move: Move, left: int, most: int
    ) -> tuple[Move, int, bool]:
        """Carry lots of one program; return how far it has come, how many went, and whether these were all."""
        if move.kind == "leave":
            return self._households.pay_part(ctx, program, account, move, left, left < most)
        if move.kind == "close":
            return move, *self._households.pay_all(ctx, program, account, move, left)
        if move.kind == "merge":
            return move, *self._merges.forward(ctx, program, account, left)
        return move, *self._merges.back(ctx, program, account, move.to, left)

    # Views

    @view
    def moves(self, ctx: Context, account: Address) -> list[MoveShown]:
        """Return which moves of all of an account's points are under way, in the order in which they go."""
        return [MoveShown(move.kind, account, move.to, move.done) for move in _under_way(ctx, account)]


def _under_way(ctx: Context, account: str) -> tuple[Move, ...]:
    return MOVES.get(ctx, account) or ()


def _put(ctx: Context, account: str, moves: tuple[Move, ...]) -> None:
    if moves:
        MOVES.put(ctx, moves, account)
    else:
        MOVES.delete(ctx, account)
