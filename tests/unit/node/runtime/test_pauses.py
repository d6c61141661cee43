"""Long reads: in strict alternation with their caller, pausing only where it says, and ended when not wanted."""

import threading

import pytest

from node.runtime.pauses import LongRead, TookLong, at_once, pause_point


def counting(log, count, result="done"):
    def read():
        for number in range(count):
            log.append(number)
            pause_point()
        return result

    return read


def test_a_pause_point_outside_a_read_does_nothing():
    pause_point()


def test_a_read_within_its_slice_is_answered_at_once_on_the_same_thread():
    asked = []
    assert at_once(lambda: threading.current_thread(), lambda: False) is threading.current_thread()
    assert at_once(counting(asked, 3), lambda: False) == "done"
    assert asked == [0, 1, 2]


def test_a_read_beyond_its_slice_is_given_up_and_nothing_pauses_afterwards():
    log = []

    def catches_all():
        try:
            counting(log, 3)()
        except Exception:
            return "caught"

    with pytest.raises(TookLong):
        at_once(catches_all, lambda: len(log) == 2)
    assert log == [0, 1]
    pause_point()


def test_a_long_read_runs_only_while_its_caller_waits():
    log = []
    reading = LongRead(counting(log, 5), lambda: len(log) % 2 == 0)
    assert log == []
    slices = []
    while not reading.go_on():
        slices.append(list(log))
    assert slices == [[0, 1], [0, 1, 2, 3]]
    assert reading.result() == "done"
    assert reading.go_on()  # Once it is done there is nothing to go on with.
    assert log == [0, 1, 2, 3, 4]


def test_a_long_read_raises_what_the_read_raised():
    def fails():
        pause_point()
        raise KeyError("no such key")

    reading = LongRead(fails, lambda: True)
    assert not reading.go_on()
    assert reading.go_on()
    with pytest.raises(KeyError, match="no such key"):
        reading.result()


@pytest.mark.parametrize("slices", [0, 1, 3])
def test_an_abandoned_read_ends_where_it_paused_and_so_does_its_thread(slices):
    log, ended = [], []

    def read():
        try:
            counting(log, 10)()
        finally:
            ended.append(True)

    reading = LongRead(read, lambda: True)
    for _ in range(slices):
        assert not reading.go_on()
    reading.abandon()
    assert reading.is_done
    assert log == list(range(slices))
    assert ended == [True] * (slices > 0)
    if reading._thread is not None:
        reading._thread.join(10)
        assert not reading._thread.is_alive()
    reading.abandon()


def test_threads_beside_a_read_do_not_pause():
    log = []

    def read():
        other = threading.Thread(target=counting(log, 3))
        other.start()
        other.join(10)
        return list(log)

    assert at_once(read, lambda: True) == [0, 1, 2]


def test_a_read_for_which_there_is_no_thread_is_an_error_and_holds_nobody_up(monkeypatch):
    def refused(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    reading = LongRead(counting([], 3), lambda: True)
    with pytest.raises(RuntimeError, match="new thread"):
        reading.go_on()
    reading.abandon()
    assert reading.is_done
