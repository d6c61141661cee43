"""What an honest host owes to others, checked as soon as it could have paid: rules that harm nobody at once.

A run goes on where one of these is broken, so agreement and progress cannot tell. The books are kept for each
life and height of a host, from what is delivered to it and what its core asks for.

    evidence        two conflicting votes of one sender, delivered within the bounds of what is kept, are told
    help            who tells of a round left behind is answered at once with our own round-change
    asking again    a block that is missing is asked for at every re-broadcast, until it comes or the round ends
    taking          a block that was asked for and comes is kept, whatever else was asked for
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consensus.message_log import ROUNDS_KEPT
from consensus.messages import STEP_PROPOSAL, Commit, Message, RoundChange, digest_of, step_of
from consensus.state import EVIDENCE_TOLD

if TYPE_CHECKING:
    from .checkers import Checkers
    from .host import Host

Slot = tuple[int, str]
"""Sender and step."""

Vote = tuple[int, int, str]
"""Sender, round and step."""


@dataclass
class Book:
    """What one host has heard, asked and owes in one life at one height."""

    life: int
    height: int
    early: dict[Slot, set[int]] = field(default_factory=dict)
    """The rounds heard of before the height began; the core may have kept those messages or not."""
    next: dict[Slot, set[int]] = field(default_factory=dict)
    """The same of the next height."""
    heard: dict[Slot, dict[int, Message]] = field(default_factory=dict)
    told: set[Vote] = field(default_factory=set)
    evidence: dict[Vote, str] = field(default_factory=dict)
    help: set[int] = field(default_factory=set)
    asked: dict[bytes, bool] = field(default_factory=dict)
    """Missing block -> whether it was asked for since the last re-broadcast."""
    round: int = 0


class Debts:
    """The books of all honest hosts of one run."""

    def __init__(self, checkers: Checkers) -> None:
        self._checkers = checkers
        self._books: dict[int, Book] = {}

    def _book(self, host: Host, height: int) -> Book:
        book = self._books.get(host.ident)
        if book is None or book.life != host.life or book.height != height:
            follows = book is not None and book.life == host.life and book.height + 1 == height
            early = book.next if book is not None and follows else {}
            book = self._books[host.ident] = Book(host.life, height, early)
        return book

    def check(self, host: Host) -> None:
        """A host that waits for nothing has paid; what it owed before a crash it owes no more."""
        book = self._books.get(host.ident)
        if book is None or book.life != host.life:
            return
        if book.evidence:
            self._checkers.fail(f"host {host.ident} does not tell evidence: {book.evidence}")
        if book.help:
            self._checkers.fail(f"host {host.ident} leaves {book.help} in a lower round of height {book.height}")

    # What comes

    def on_receive(self, host: Host, message: Message) -> None:
        """A verified message is about to be handed to the core."""
        if host.byzantine:
            return
        self.check(host)
        here = host.state.here
        book = self._book(host, here.height)
        slot = (message.sender, step_of(message))
        if message.height == here.height + 1:
            book.next.setdefault(slot, set()).add(message.round)
        if message.height != here.height or message.sender == here.own_index:
            return
        heard = book.heard.setdefault(slot, {})
        first = heard.get(message.round)
        if first is message:
            return
        if first is None:
            if isinstance(message, RoundChange):
                self._owe_help(host, book, message)
            heard[message.round] = message
        elif self._must_be_told(book, slot, message) and differ(first, message):
            book.evidence[message.sender, message.round, slot[1]] = f"{first} {message}"

    def _owe_help(self, host: Host, book: Book, message: RoundChange) -> None:
        """The first of its round from an honest sender, which has not told of a higher one before."""
        state, slot = host.state, (message.sender, step_of(message))
        newest = max((*book.heard[slot], *book.early.get(slot, ())), default=-1)
        if state.here.own_index is None or state.decided or not newest < message.round < state.round:
            return
        key = state.here.validators.key(message.sender)
        if key is not None and not self._checkers.cluster.is_byzantine(key):
            book.help.add(message.sender)

    def _must_be_told(self, book: Book, slot: Slot, message: Message) -> bool:
        """Tell whether the core still holds a vote of this round, and has neither told of it nor told too much."""
        sender, step = slot
        rounds = {*book.heard[slot], *book.early.get(slot, ())}
        kept = message.round == max(rounds) if step == STEP_PROPOSAL else len(rounds) <= ROUNDS_KEPT
        told = (sender, message.round, step) in book.told
        return kept and not told and sum(vote[0] == sender for vote in book.told) < EVIDENCE_TOLD

    def on_fetched(self, host: Host, digest: bytes) -> None:
        """The core was handed a block."""
        book = self._books.get(host.ident)
        if book is None or book.life != host.life or book.height != host.state.here.height:
            return
        if book.asked.pop(digest, None) is None or host.byzantine or host.halted is not None:
            return
        if host.state.candidate(digest) is None:
            self._checkers.fail(f"host {host.ident} threw away a block that it had asked for")

    # What the core asks for

    def on_evidence(self, host: Host, second: Message) -> None:
        """Evidence is told, of this height or of the one before."""
        book = self._book(host, host.state.here.height)
        if second.height == book.height:
            vote = (second.sender, second.round, step_of(second))
            book.told.add(vote)
            book.evidence.pop(vote, None)

    def on_answer(self, host: Host, to: int, message: Message) -> None:
        """A message goes to one validator."""
        book = self._books.get(host.ident)
        if book is not None and isinstance(message, RoundChange):
            book.help.discard(to)

    def on_round_change(self, host: Host, message: RoundChange) -> None:
        """A round ends, and with it what was asked for there; what is certified is asked for again, unwatched."""
        book = self._book(host, message.height)
        if message.round > book.round:
            book.round = message.round
            book.asked.clear()

    def on_fetch(self, host: Host, height: int, digest: bytes) -> None:
        """A block is asked for."""
        self._book(host, height).asked[digest] = True

    def on_rebroadcast(self, host: Host, height: int) -> None:
        """All was said again; the next time is scheduled."""
        book = self._book(host, height)
        forgotten = [digest.hex()[:8] for digest, again in book.asked.items() if not again]
        if forgotten and not host.byzantine:
            self._checkers.fail(f"host {host.ident} does not ask again for the missing blocks {forgotten}")
        book.asked = dict.fromkeys(book.asked, False)


def differ(first: Message, second: Message) -> bool:
    """Tell whether two votes of one sender, round and step contradict each other.

    Round-changes are left out: they may be refused for what they carry before they count.
    """
    if isinstance(first, RoundChange) or isinstance(second, RoundChange):
        return False
    if isinstance(first, Commit) and isinstance(second, Commit):
        return (first.digest, first.roots) != (second.digest, second.roots)
    return digest_of(first) != digest_of(second)
