"""Deliberately broken cores, to see that the simulator notices.

Each mutant breaks one rule by replacing one function of the production core. A mutant must be found
within a stated number of seeds: `python -m tests.simulation --mutants`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from consensus import agreement, justification, message_log, rounds, state, state_machine, voting
from consensus.effects import Broadcast, CheckBlock, Persist
from consensus.messages import Proposal
from consensus.types import Seal, ValidatorSet

Patch = tuple[Any, str, Any]


def _smaller_quorum() -> list[Patch]:
    original = ValidatorSet.__init__

    def init(self: ValidatorSet, validators: Any) -> None:
        original(self, validators)
        self.quorum -= 1

    return [(ValidatorSet, "__init__", init)]


def _forget_lock() -> list[Patch]:
    original = voting.cast_round_change

    def cast(state: Any) -> None:
        state.lock = None
        original(state)

    return [(rounds, "cast_round_change", cast)]


def _ignore_prepared() -> list[Patch]:
    def fault(*_: Any) -> None:
        return None

    return [
        (rounds, "highest_prepared", lambda votes: None),
        (justification, "_highest_fault", fault),
    ]


def _lowest_prepared() -> list[Patch]:
    def lowest(votes: Any) -> Any:
        prepared = [vote for vote in votes if vote.prepared_round is not None]
        return min(prepared, key=lambda vote: vote.prepared_round, default=None)

    return [(rounds, "highest_prepared", lowest), (justification, "highest_prepared", lowest)]


def _log_ignored_after_restart() -> list[Patch]:
    return [(state_machine, "restore", lambda state, records: None)]


def _timer_starts_by_itself() -> list[Patch]:
    names = [(rounds, "start_timer_if_quorum_is_here"), (state_machine, "start_timer_if_quorum_is_here")]
    return [(module, name, rounds.start_timer) for module, name in names]


def _timer_never_starts_in_later_rounds() -> list[Patch]:
    original = rounds.start_timer

    def start(state: Any) -> None:
        if state.round == 0:
            original(state)

    return [(rounds, "start_timer", start), (agreement, "start_timer", start)]


def _no_jump() -> list[Patch]:
    return [(state_machine, "jump_with_others", lambda state: None)]


def _jump_after_one() -> list[Patch]:
    original = message_log.MessageLog.highest_round_reached_by

    def highest(self: Any, count: int) -> int:
        return original(self, 1)

    return [(message_log.MessageLog, "highest_round_reached_by", highest)]


def _roots_not_compared() -> list[Patch]:
    original = agreement.decide

    def decide(state: Any) -> None:
        certified = state.certified
        if certified is not None and certified.digest in state.roots:
            state.roots[certified.digest] = certified.roots
        original(state)

    return [(agreement, "decide", decide), (state_machine, "decide", decide)]


def _seals_of_rounds_add_up() -> list[Patch]:
    def seals(self: Any, round_: int, digest: bytes, roots: Any) -> list[Seal]:
        found = {}
        for votes in self.commits.rounds.values():
            for sender, vote in votes.items():
                if vote.digest == digest and vote.roots == roots:
                    found[sender] = Seal(sender, vote.signature)
        return [found[i] for i in sorted(found)]

    return [(message_log.MessageLog, "commit_seals", seals)]


def _roots_of_seals_ignored() -> list[Patch]:
    def seals(self: Any, round_: int, digest: bytes, roots: Any) -> list[Seal]:
        votes = self.commits.rounds.get(round_, {})
        return [Seal(i, vote.signature) for i, vote in sorted(votes.items()) if vote.digest == digest]

    return [(message_log.MessageLog, "commit_seals", seals)]


def _prepare_unchecked() -> list[Patch]:
    def check(state: Any, digest: bytes, source: int, judge_time: bool) -> None:
        state.valid[digest] = True
        agreement.prepare_if_valid(state, judge_time)

    return [(agreement, "check_block", check)]


def _send_before_log() -> list[Patch]:
    original = state.State.emit

    def emit(self: Any, effect: Any) -> None:
        original(self, effect)
        if isinstance(effect, Broadcast) and len(self.effects) > 1 and isinstance(self.effects[-2], Persist):
            self.effects[-2:] = [self.effects[-1], self.effects[-2]]

    return [(state.State, "emit", emit)]


def _prepare_again() -> list[Patch]:
    original = voting.cast_prepare

    def cast(state: Any, digest: bytes) -> bool:
        state.signed.pop((state.round, "prepare"), None)
        return original(state, digest)

    return [(agreement, "cast_prepare", cast)]


def _accept_again() -> list[Patch]:
    """Take every proposal of the round, and PREPARE each."""
    original = agreement.upon_proposal

    def upon(state: Any, message: Any) -> None:
        state.accepted = None
        state.signed.pop((message.round, "prepare"), None)
        original(state, message)

    add = message_log.MessageLog.add

    def add_any(self: Any, message: Any) -> message_log.Added:
        if isinstance(message, Proposal):
            return message_log.Added(message_log.Outcome.ADDED)
        return add(self, message)

    upons = {**state_machine._UPON, Proposal: upon}
    return [(state_machine, "_UPON", upons), (message_log.MessageLog, "add", add_any)]


def _no_rebroadcast() -> list[Patch]:
    return [(state_machine, "rebroadcast", lambda state: None)]


def _freshness_judged_again() -> list[Patch]:
    original = state.State.emit

    def emit(self: Any, effect: Any) -> None:
        if isinstance(effect, CheckBlock):
            effect = CheckBlock(effect.candidate, effect.source, judge_time=True)
        original(self, effect)

    return [(state.State, "emit", emit)]


def _late_proposer_gives_up() -> list[Patch]:
    return [(agreement, "propose_with_justification", lambda state: None)]


def _votes_of_own_seal_missing() -> list[Patch]:
    """The write-ahead log's candidate is not restored."""
    original = voting.restore

    def restore(state: Any, records: Any) -> None:
        original(state, records)
        state.sealed.clear()
        state.lock = None

    return [(state_machine, "restore", restore)]


MUTANTS: dict[str, Callable[[], list[Patch]]] = {
    "quorum is one smaller": _smaller_quorum,
    "the lock is forgotten on entering a round": _forget_lock,
    "prepared blocks are ignored in justifications": _ignore_prepared,
    "the lowest prepared block is proposed": _lowest_prepared,
    "the log is ignored after a restart": _log_ignored_after_restart,
    "lock and seals are not restored from the log": _votes_of_own_seal_missing,
    "the timer of a later round starts by itself": _timer_starts_by_itself,
    "the timer of a later round never starts": _timer_never_starts_in_later_rounds,
    "no jump with f+1": _no_jump,
    "jump with one sender": _jump_after_one,
    "certified roots are not compared with ours": _roots_not_compared,
    "seals of different rounds add up": _seals_of_rounds_add_up,
    "seals of different roots add up": _roots_of_seals_ignored,
    "PREPARE without checking the block": _prepare_unchecked,
    "votes are sent before they are logged": _send_before_log,
    "PREPARE may be signed again": _prepare_again,
    "every proposal of a round is accepted": _accept_again,
    "nothing is re-broadcast": _no_rebroadcast,
    "a prepared block's freshness is judged again": _freshness_judged_again,
    "proposers of later rounds do not propose": _late_proposer_gives_up,
}


@contextmanager
def broken(name: str) -> Iterator[None]:
    """Run with one rule broken."""
    patches = [patch.object(target, attribute, value) for target, attribute, value in MUTANTS[name]()]
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in reversed(patches):
            each.stop()
