"""The story of lists, codes, claims, draws and schedules is true: every example and refusal is as it says."""

from __future__ import annotations

from contracts_py.campaign.rooms import further_rooms
from contracts_py.registry import contracts
from tests.contract_harness import key_of, program_args
from tests.reference.stories.campaign_pools import tell
from tests.reference.story import Story, alliance_ops
from vm.chain_records import ValidatorEntry
from vm.runtime import Runtime

BRANDS = ("aurora", "borea", "cielo", "delta")


def test_the_story_is_true_and_shows_every_call_and_view() -> None:
    ops = [*alliance_ops(*BRANDS), ("token.create_program", program_args("stars", "aurora"))]
    ops.append(("token.create_program", program_args("leaves", "borea")))
    told = Story("campaign", "", ops, validators=[ValidatorEntry(key_of(brand), brand) for brand in BRANDS])
    tell(told)
    assert told.faults == []
    listed, authority = contracts()
    names = {type(room).__name__ for room in further_rooms(authority, object())} | {"Schedules"}  # type: ignore[arg-type]
    runtime = Runtime(listed, authority)
    own = {
        name
        for table in (runtime.calls, runtime.views)
        for name, method in table.items()
        if type(method.bound.__self__).__name__ in names  # type: ignore[attr-defined]
    }
    assert own - {example.name for example in told.examples} == set()
