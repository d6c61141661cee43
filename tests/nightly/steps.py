"""What a night runs: each step is a command that a developer can run as well, and what it needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.docker.compose import DockerTestError, find_compose, find_engine
from tests.support import sandbox

LEDGER_SEEDS = 200
"""Of the naive ledger in one night; a night takes those after the former night's."""


def nothing() -> str:
    """Return that nothing is missing."""
    return ""


@dataclass(frozen=True)
class Step:
    """One check.

    Attributes:
        about: what it shows, in a few words.
        command: arguments of the Python that runs the night.
        limit_s: after which the step has failed; some three times what it takes on two cores.
        environment: what is set for it beside what is set already.
        missing: returns why the step cannot run here, or "".
        figure: a part of the line that tells most of a step that has passed; the last one where it is empty.
    """

    name: str
    about: str
    command: tuple[str, ...]
    limit_s: float
    environment: Mapping[str, str] = field(default_factory=dict)
    missing: Callable[[], str] = nothing
    figure: str = ""


def no_root() -> str:
    """Return why file systems cannot be mounted, or ""."""
    return "" if os.geteuid() == 0 else "needs root"


def no_sandbox() -> str:
    """Return why networks of their own cannot be had, or ""."""
    return no_root() or (f"no namespaces: {problem}" if (problem := sandbox.problem()) else "")


def no_docker() -> str:
    """Return why containers cannot be run, or ""."""
    try:
        find_engine()
        find_compose()
    except DockerTestError as error:
        return str(error)
    return ""


def steps_of(night: int) -> tuple[Step, ...]:
    """Return the steps of a night, the short ones first; its number chooses the seeds that are not fresh anyway."""
    seeds = f"{night * LEDGER_SEEDS}-{(night + 1) * LEDGER_SEEDS - 1}"
    minute = 60.0
    parallel = ("-n", "auto")
    rules = ("tests/properties/test_rules_oracle.py", "tests/properties/test_rules_twin.py")
    return (
        Step(
            "kill",
            "50 kills of real validators under load",
            ("-m", "pytest", "-s", "tests/processes/test_kill.py"),
            10 * minute,
            {"ENTENTE_KILLS": "50"},
            figure=" kills in ",
        ),
        Step(
            "membership",
            "real validators grow from 4 to 7 and shrink back",
            ("-m", "pytest", "-s", "tests/processes/test_membership.py"),
            20 * minute,
            {"ENTENTE_MEMBERSHIP": "7"},
            figure=", slowest ",
        ),
        Step(
            "outage",
            "two of four validators gone for 10 s under load: the backlog goes as fast",
            ("-m", "tests.bench.bench_outage", "--seconds", "10", "--rate", "200"),
            5 * minute,
            figure="the backlog gone after",
        ),
        Step(
            "disk-full", "full disks under load", ("-m", "tests.processes.disk_full"), 15 * minute, missing=no_root
        ),
        Step("model", "every state of the protocol at small bounds", ("-m", "tests.model"), 30 * minute),
        Step("docker", "four containers", ("tests/docker/run.py",), 30 * minute, missing=no_docker),
        Step("byzantine", "a real validator tells each lie", ("-m", "tests.byzantine"), 30 * minute),
        Step("wide", "delay, loss, partitions, clocks", ("-m", "tests.wide"), 30 * minute, missing=no_sandbox),
        Step(
            "chaos",
            "ten minutes of every trouble at once",
            ("-m", "tests.chaos", "--seed", f"{night}"),
            30 * minute,
            missing=no_sandbox,
            figure='"receipts_checked"',
        ),
        Step("attack", "every known attack", ("-m", "tests.attack", "--seed", f"{night}"), 45 * minute),
        Step(
            "soak-rules",
            "a million rules against CEL and the interpreter",
            ("-m", "pytest", *rules, *parallel),
            60 * minute,
            {"RULES_EXPRESSIONS": "1000000"},
        ),
        Step(
            "soak-ledger",
            f"{LEDGER_SEEDS} seeds against the naive ledger",
            ("-m", "pytest", "tests/properties/test_ledger_model.py", "-k", "naive", *parallel),
            60 * minute,
            {"LEDGER_SEEDS": seeds},
        ),
        Step("soak", "10,000 fresh seeds of the core", ("-m", "tests.simulation", "--soak", "10000"), 90 * minute),
        Step(
            "soak-whole-node",
            "2,000 fresh seeds of whole nodes",
            ("-m", "tests.whole_node", "--soak", "2000"),
            90 * minute,
        ),
        Step("mutants", "the tests notice each broken rule", ("-m", "tests.mutants"), 180 * minute),
    )
