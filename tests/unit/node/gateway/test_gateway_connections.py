"""Which connection is closed to make room for another."""

from __future__ import annotations

import pytest

from node.gateway import connections
from node.gateway.connections import ConnectionTable, Slot


class Table:
    """A connection table whose connections are names."""

    def __init__(self, total: int, per_client: int = 100) -> None:
        self.table = ConnectionTable(total, per_client)
        self.closed: list[str] = []
        self.slots: dict[str, Slot] = {}

    def open(self, name: str) -> bool:
        """Open the connection `name` of the client that is its first letter."""
        slot = self.table.admit(name[0])
        if slot is not None:
            self.slots[name] = slot
            self.table.opened(slot, lambda: self.closed.append(name))
        return slot is not None

    def begin(self, *names: str) -> None:
        for name in names:
            self.table.begin(self.slots[name])


def test_one_client_has_at_most_its_limit() -> None:
    table = Table(10, per_client=2)
    assert [table.open(name) for name in ("a1", "a2", "a3", "b1")] == [True, True, False, True]
    assert (table.table.total, table.closed) == (3, [])
    table.table.leave(table.slots["a1"])
    assert table.open("a4")


def test_the_one_idle_longest_is_closed_for_a_newcomer() -> None:
    table = Table(3)
    for name in ("a1", "b1", "c1"):
        table.open(name)
    table.begin("a1")
    table.table.end(table.slots["a1"])
    assert table.open("d1")
    assert (table.closed, table.table.total) == (["b1"], 3)


def test_whoever_holds_most_loses_one_first() -> None:
    table = Table(4)
    for name in ("t1", "a1", "a2", "a3"):
        table.open(name)
    for name in ("b1", "c1"):
        assert table.open(name)
    assert table.closed == ["a1", "a2"]


def test_busy_connections_stay_while_there_is_an_idle_one() -> None:
    table = Table(3)
    for name in ("a1", "a2", "b1"):
        table.open(name)
    table.begin("a1", "a2")
    assert table.open("c1")
    assert table.closed == ["b1"]


def test_where_all_are_busy_a_client_beyond_its_share_gives_one_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SHARE", 4)
    table = Table(8)
    names = ["t1", "t2", *(f"a{i}" for i in range(6))]
    for name in names:
        table.open(name)
    table.begin(*names)
    assert table.open("c1")
    assert table.closed == ["a0"]
    table.begin("c1")
    assert not Table(0).open("x1")


def test_where_all_are_busy_and_nobody_is_greedy_the_newcomer_is_refused() -> None:
    table = Table(3)
    for name in ("a1", "b1", "c1"):
        table.open(name)
    table.begin("a1", "b1", "c1")
    assert not table.open("d1")
    assert table.closed == []


def test_what_was_closed_counts_no_more_and_is_not_closed_again() -> None:
    table = Table(2)
    for name in ("a1", "a2", "b1", "c1"):
        table.open(name)
    gone = table.slots[table.closed[0]]
    for act in (table.table.begin, table.table.end, table.table.leave):
        act(gone)
    assert table.table.total == 2
    for slot in table.slots.values():
        table.table.leave(slot)
    assert (table.table.total, table.table.busy, table.table._count) == (0, 0, {})


def test_making_room_looks_at_a_few_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LOOKED_AT", 2)
    table = Table(4)
    for name in ("b1", "c1", "a1", "a2", "d1"):
        assert table.open(name)
    assert table.closed == ["b1"]
