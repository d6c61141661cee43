"""The process's limit of open files is divided before anything listens, or the node does not start."""

from __future__ import annotations

import resource

import pytest

from node.runtime import descriptors
from node.runtime.descriptors import (
    LEAST_LIMIT,
    MOST_CONNECTIONS,
    MOST_DATABASE,
    OWN_FILES,
    PEER_LINKS,
    SECOND_DATABASE,
    plan_descriptors,
    raise_descriptor_limit,
)
from node.runtime.errors import ConfigError

RESERVED = OWN_FILES + PEER_LINKS + SECOND_DATABASE


@pytest.mark.parametrize("limit", [LEAST_LIMIT, 1_024, 4_096, 20_000, 1 << 20])
def test_the_parts_are_at_most_the_limit(limit: int) -> None:
    plan = plan_descriptors(limit, None)
    assert RESERVED + plan.database + plan.connections <= limit
    assert plan.connections >= 48
    assert plan.database >= 74, "LevelDB takes as many whatever it is told"


def test_much_is_not_taken_because_it_is_there() -> None:
    plan = plan_descriptors(1 << 20, None)
    assert (plan.database, plan.connections) == (MOST_DATABASE, MOST_CONNECTIONS)


def test_what_the_operator_allows_is_taken_where_it_fits() -> None:
    left = plan_descriptors(1_024, None).connections
    assert plan_descriptors(1_024, left).connections == left
    assert plan_descriptors(1_024, 7).connections == 7
    assert plan_descriptors(1 << 20, 100_000).connections == 100_000
    with pytest.raises(ConfigError, match=f"max_connections is {left + 1}, .* {left} are left"):
        plan_descriptors(1_024, left + 1)


def test_a_limit_far_below_is_refused() -> None:
    with pytest.raises(ConfigError, match=f"only {LEAST_LIMIT - 1} .* {LEAST_LIMIT} at least; .*ulimit -n"):
        plan_descriptors(LEAST_LIMIT - 1, None)


def test_the_soft_limit_is_raised_to_the_hard_one(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"now": (256, 4_096)}
    monkeypatch.setattr(resource, "getrlimit", lambda which: limits["now"])
    monkeypatch.setattr(resource, "setrlimit", lambda which, to: limits.update(now=to))
    assert raise_descriptor_limit() == 4_096
    assert limits["now"] == (4_096, 4_096)


def test_a_refused_raise_leaves_the_present_limit(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(which: int, to: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda which: (1_024, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert raise_descriptor_limit() == 1_024
    assert "stays at 1024" in caplog.text


def test_no_limit_is_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda which: unlimited)
    assert plan_descriptors(raise_descriptor_limit(), None).connections == descriptors.MOST_CONNECTIONS
