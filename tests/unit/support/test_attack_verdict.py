"""What the attack suite calls a miss; and that its malformed input is malformed, and the same for the same seed."""

import math
import random

import pytest

from tests.attack.malformed_cases import BODY, Cases, mutated
from tests.attack.verdict import Latency, Memory, Row, bound_ms, faults_of


def latency(p50: float, refused: int = 0, count: int = 100) -> Latency:
    return Latency(count, refused, p50, p50, p50, {"RATE_LIMITED": refused} if refused else {})


def row(**fields: object) -> Row:
    return Row("bodies", "anonymous", {}, **fields)  # type: ignore[arg-type]


def test_a_refused_send_is_slower_than_any_other() -> None:
    found = Latency.of([20.0, 10.0], {"RATE_LIMITED": 3})
    assert (found.count, found.refused, found.longest) == (5, 3, 20.0)
    assert math.isinf(found.p50)
    assert math.isinf(Latency.of([], {}).p50)


@pytest.mark.parametrize(("idle_ms", "allowed_ms"), [(20.0, 300.0), (67.0, 300.0), (134.0, 600.0)])
def test_a_slow_machine_raises_the_bound_and_a_fast_one_does_not_lower_it(
    idle_ms: float, allowed_ms: float
) -> None:
    assert bound_ms(latency(idle_ms)) == allowed_ms
    just_below, at = latency(allowed_ms - 1), latency(allowed_ms)
    assert faults_of(row(before=latency(idle_ms), during=just_below, slow_is_a_fault=True)) == []
    assert len(faults_of(row(before=latency(idle_ms), during=at, slow_is_a_fault=True))) == 1
    assert faults_of(row(before=latency(idle_ms), during=at)) == []


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"ended": ("aurora (exit code 70)",)}, "aurora"),
        ({"faults": ("it signed",)}, "it signed"),
        ({"memory": Memory((70,), (900,), (171,))}, "171 MiB"),
        ({"log_kib": (0, 513)}, "513 KiB"),
        ({"slow_is_a_fault": True}, "not measured"),
        ({"slow_is_a_fault": True, "before": latency(501), "during": latency(20)}, "too busy"),
        ({"slow_is_a_fault": True, "before": latency(20), "during": latency(20, refused=11)}, "11 of 100"),
    ],
)
def test_each_missed_outcome_is_told(fields: dict[str, object], told: str) -> None:
    (fault,) = faults_of(row(**fields))
    assert told in fault


def test_what_holds_is_no_fault() -> None:
    calm = row(
        before=latency(20),
        during=latency(299, refused=10),
        slow_is_a_fault=True,
        memory=Memory((70, 70), (500, 80), (170, 70)),
        log_kib=(512, 0),
    )
    assert faults_of(calm) == []


def test_the_same_seed_gives_the_same_malformed_input() -> None:
    methods = {"chain_block": ["height", "full"], "tx_wait": ["id"], "tx_send": ["tx"]}

    def stream(seed: str) -> list[object]:
        cases = Cases(seed, methods, b"transaction", b"body")
        return [make() for _ in range(200) for make in (cases.http, cases.json, cases.entry, cases.transaction)]

    assert stream("1/0") == stream("1/0") != stream("1/1")
    assert not any(isinstance(case, dict) and case.get("method") == "tx_wait" for case in stream("1/0"))


def test_a_mutation_is_never_what_it_was() -> None:
    pick = random.Random(1)
    for _ in range(2_000):
        assert mutated(pick, BODY) != BODY
        assert mutated(pick, b"") != b""
