"""Strangers are bounded by their address."""

from network.listener import (
    CONNECTION_BURST,
    MAX_HANDSHAKES,
    MAX_HANDSHAKES_PER_ADDRESS,
    AddressLimits,
)


def test_handshakes_of_one_address_are_bounded_and_others_go_on() -> None:
    limits = AddressLimits()
    admitted = [limits.admit("10.0.0.1", 0.0) for _ in range(MAX_HANDSHAKES_PER_ADDRESS + 1)]
    assert admitted == [True] * MAX_HANDSHAKES_PER_ADDRESS + [False]
    assert limits.admit("10.0.0.2", 0.0)
    limits.finished("10.0.0.1")
    assert limits.admit("10.0.0.1", 0.0)


def test_new_connections_per_second_are_bounded() -> None:
    limits = AddressLimits()
    for _ in range(CONNECTION_BURST):
        assert limits.admit("10.0.0.1", 0.0)
        limits.finished("10.0.0.1")
    assert not limits.admit("10.0.0.1", 0.0)
    assert limits.admit("10.0.0.1", 1.0)


def test_all_handshakes_together_and_all_memory_are_bounded() -> None:
    limits = AddressLimits()
    admitted = sum(limits.admit(f"10.0.{i // 256}.{i % 256}", 0.0) for i in range(5_000))
    assert admitted == MAX_HANDSHAKES
    assert len(limits._buckets) <= 1_024
    assert len(limits._handshakes) == MAX_HANDSHAKES
