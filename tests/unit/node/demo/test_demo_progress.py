"""What is shown while the replay goes on."""

from __future__ import annotations

from typing import Any

import pytest
from memory_chain import ManualClock

from node.client import ConnectionFailed
from node.demo.brand_nodes import BrandNode
from node.demo.courier import Counters
from node.demo.errors import ReplayFailed
from node.demo.plan import MS_PER_DAY, month_start
from node.demo.progress import _Meter, shown_progress
from node.demo.session import _first_failure


class Heads:
    """A validator that tells its height, or does not answer (None)."""

    def __init__(self, height: int | None) -> None:
        self.height = height

    async def call(self, method: str, **params: Any) -> Any:
        assert method == "chain_head"
        if self.height is None:
            raise ConnectionFailed("no answer")
        return {"header": {"height": self.height} if self.height else None}


def gateways(*heights: int | None) -> list[BrandNode]:
    clients: list[Any] = [Heads(height) for height in heights]
    return [BrandNode("brand", client) for client in clients]


@pytest.mark.parametrize(
    ("heights", "words"),
    [
        ((7, 7, 7, 7), "height 7"),
        ((7, 8, 7, 9), "height 7–9"),
        ((0, 0, 0, 0), "height 0"),
        ((7, None, 8, 8), "height 7–8 of 3 validators"),
        ((None, None, None, None), "height unknown"),
    ],
)
async def test_heights_in_few_words(heights: tuple[int | None, ...], words: str) -> None:
    meter = _Meter(Counters(), ManualClock(month_start(3), 1), gateways(*heights))
    date, told = await meter.read()
    assert date == "2017-03-01"
    assert told.endswith(words)


async def test_a_lag_of_days_is_told() -> None:
    counters = Counters()
    meter = _Meter(counters, ManualClock(month_start(3), 1), gateways(1, 1, 1, 1))
    counters.lag_ms[2] = 4 * MS_PER_DAY
    assert "behind" not in (await meter.read())[1]
    counters.lag_ms[2] = 9 * MS_PER_DAY
    assert (await meter.read())[1].endswith("9 days behind")


async def test_nothing_but_progress_goes_out_and_not_to_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    counters = Counters()
    async with shown_progress(counters, 10, ManualClock(0, 1), gateways(1, 1, 1, 1), quiet=True):
        counters.operations = 10
    assert capfd.readouterr() == ("", "")


async def test_the_first_failure_of_a_group_is_raised_alone() -> None:
    async def fail() -> None:
        raise ExceptionGroup("outer", [ExceptionGroup("inner", [ReplayFailed("this")]), ValueError("that")])

    with pytest.raises(ReplayFailed, match="this"):
        await _first_failure(fail())
