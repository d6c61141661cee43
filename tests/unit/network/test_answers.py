"""What a peer is answered is bounded before it is built."""

import pytest

from network.answers import BURST_BYTES, BYTES_PER_SECOND, MAX_WAITING_BYTES, Answers
from network.kinds import MIB, Kind
from network.messages import CandidateReply
from network.scoring import Offence
from tests.support.fake_peer import FakePeer


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("network.answers.asyncio.get_running_loop", lambda: made)
    return made


def ask(answers: Answers, peer: FakePeer, size: int) -> bool:
    """Answer a request with `size` bytes if that is allowed."""
    allowed = answers.may_answer(peer)
    if allowed:
        answers.send(peer, CandidateReply(id=1, body=bytes(size)))
    return allowed


def test_a_flood_of_requests_is_answered_up_to_the_allowance_and_scored_beyond(clock: Clock) -> None:
    answers, greedy, other = Answers(), FakePeer(b"a" * 32), FakePeer(b"b" * 32)
    answered = sum(ask(answers, greedy, 4 * MIB) for _ in range(100))
    assert answered == BURST_BYTES // (4 * MIB)
    assert greedy.offences == [Offence.FLOOD] * (100 - answered)
    assert ask(answers, other, 4 * MIB)
    clock.now += 4 * MIB / BYTES_PER_SECOND
    assert ask(answers, greedy, 4 * MIB)
    assert greedy.sent == [Kind.CANDIDATE] * (answered + 1)


def test_a_peer_that_does_not_read_its_answers_gets_no_more_and_is_not_blamed(clock: Clock) -> None:
    answers, slow = Answers(), FakePeer(b"a" * 32)
    slow.waiting_reply_bytes = MAX_WAITING_BYTES
    assert not ask(answers, slow, 1)
    slow.waiting_reply_bytes -= 1
    assert ask(answers, slow, 1)
    assert slow.offences == []


def test_what_is_remembered_of_keys_is_bounded(clock: Clock) -> None:
    answers = Answers()
    for i in range(5_000):
        assert ask(answers, FakePeer(i.to_bytes(32, "big")), 1)
    assert len(answers._buckets) == 4_096
