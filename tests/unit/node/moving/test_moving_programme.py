"""What an import finds out about a program before it sends anything, and compares afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from node.moving.errors import MovingError
from node.moving.importing import compare
from node.moving.programme import Programme, Supply, programme_of, require_issuer
from node.moving.sending import Progress
from tests.contract_harness import CHAIN, account_of
from tests.support.moving import MemoryChain
from vm.primitives.units import MAX_INT

ANN = account_of("ann")
ISSUER = account_of("aurora-issuer")


async def test_a_program_is_known_with_its_brand_rules_and_supply() -> None:
    chain = MemoryChain(cap=1_000)
    chain.chain.send("aurora-issuer", "token.issue", program="miles", to=ANN, amount=400)
    programme = await programme_of(chain, "miles")
    assert (programme.chain, programme.brand, programme.expiry) == (CHAIN, "aurora", "none")
    assert programme.supply == Supply(chain.chain.height, chain.supply())
    assert programme.problem_with(600) is None
    assert programme.problem_with(601) == (
        "601 points do not fit below the program's cap of 1,000, of which 400 are outstanding"
    )
    with pytest.raises(MovingError, match="the program moon: no such program"):
        await programme_of(chain, "moon")


def test_all_that_has_ever_come_in_is_within_the_chains_integers() -> None:
    programme: Programme = MemoryChain().programme()
    counters = {**programme.supply.counters, "issued": MAX_INT - 30, "swapped_in": 10, "refunded": 10}
    full = replace(programme, supply=Supply(1, counters))
    assert full.problem_with(10) is None
    assert "more than the program's counters can hold" in (full.problem_with(11) or "")


async def test_only_an_issuer_of_the_brand_signs() -> None:
    chain = MemoryChain()
    await require_issuer(chain, "aurora", [ANN, ISSUER])
    for account, brand in ((account_of("aurora-cashier"), "aurora"), (ISSUER, "basil"), (ANN, "aurora")):
        with pytest.raises(MovingError, match=f"is no issuer of {brand}"):
            await require_issuer(chain, brand, [account])


@pytest.mark.parametrize(("recent", "expected"), [(["new"], 5 + 20), ([], 5)])
async def test_only_what_was_paid_after_the_first_look_counts(
    monkeypatch: pytest.MonkeyPatch, recent: list[str], expected: int
) -> None:
    chain = MemoryChain()
    before = Supply(chain.chain.height, chain.supply())
    asked: list[Any] = []

    async def ask(calls: Any) -> list[Any]:
        asked.extend(call for call in calls if call[0] == "chain_transactions")
        page = {"items": [{"id": tx} for tx in recent], "next": None}
        return [page if method == "chain_transactions" else chain._answer(method, args) for method, args in calls]

    monkeypatch.setattr(chain, "ask", ask)
    comparison = await compare(chain, "miles", ISSUER, before, Progress(points=5, found={"old": 10, "new": 20}))
    assert comparison.expected == expected
    ((_, params),) = asked
    assert (params["from"], params["account"]) == (before.height + 1, ISSUER)
