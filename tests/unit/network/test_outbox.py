"""What waits for a slow peer is bounded, and the urgent overtakes."""

from network.kinds import Priority
from network.outbox import Outbox

BOUNDS = {Priority.URGENT: 10, Priority.REPLY: 10, Priority.GOSSIP: 10}


def test_urgent_frames_overtake_and_keep_their_order() -> None:
    outbox = Outbox(BOUNDS)
    for priority, frame in [(2, b"g"), (1, b"r"), (0, b"u1"), (2, b"h"), (0, b"u2")]:
        assert outbox.push(Priority(priority), frame)
    assert outbox.take(100) == [b"u1", b"u2", b"r", b"g", b"h"]
    assert not outbox


def test_a_full_queue_refuses_and_the_others_do_not() -> None:
    outbox = Outbox(BOUNDS)
    assert outbox.push(Priority.GOSSIP, bytes(10))
    assert not outbox.push(Priority.GOSSIP, b"x")
    assert outbox.push(Priority.URGENT, b"x")
    assert outbox.waiting_bytes == 11
    outbox.take(11)
    assert outbox.push(Priority.GOSSIP, b"x")


def test_one_frame_always_fits_an_empty_queue() -> None:
    outbox = Outbox(BOUNDS)
    assert outbox.push(Priority.REPLY, bytes(50))
    assert not outbox.push(Priority.REPLY, b"x")


def test_take_stops_when_its_budget_is_reached() -> None:
    outbox = Outbox(BOUNDS)
    for frame in (b"aaa", b"bbb", b"ccc"):
        outbox.push(Priority.URGENT, frame)
    assert outbox.take(4) == [b"aaa", b"bbb"]
    assert outbox.take(4) == [b"ccc"]
    assert outbox.take(4) == []


def test_clear_leaves_nothing() -> None:
    outbox = Outbox(BOUNDS)
    outbox.push(Priority.URGENT, b"x")
    outbox.clear()
    assert not outbox
    assert outbox.waiting_bytes == 0
