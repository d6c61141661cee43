"""An answer that is made only so often: its making takes a bounded share of the time."""

from node.gateway.remade import FRESH_FOR, Remade


class Metrics:
    def __init__(self, took: float) -> None:
        self.time = 0.0
        self.took = took
        self.made = 0

    def text(self) -> bytes:
        self.made += 1
        self.time += self.took
        return b"%d" % self.made


def test_who_asks_without_a_pause_has_it_made_only_a_part_of_the_time():
    metrics = Metrics(0.004)
    remade = Remade(metrics.text, lambda: metrics.time)
    while metrics.time < 10.0:
        remade.get()
        metrics.time += 0.0001
    assert metrics.made * metrics.took <= 10.0 / FRESH_FOR


def test_who_asks_after_a_while_gets_what_is_so_then():
    metrics = Metrics(0.004)
    remade = Remade(metrics.text, lambda: metrics.time)
    assert [remade.get(), remade.get()] == [b"1", b"1"]
    metrics.time += 0.1
    assert remade.get() == b"2"
