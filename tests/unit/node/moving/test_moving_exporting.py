"""What an export writes, that it adds up, and that an import takes it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from node.client import RpcError
from node.moving import exporting
from node.moving.errors import MovingError, Stopped
from node.moving.exporting import Exported, Exporter
from node.moving.sending import Sender, Target
from tests.contract_harness import account_of, program_args
from tests.support.moving import MemoryChain, planned, write_csv

ANN = account_of("ann")
DAY = 86_400_000


async def exported(chain: MemoryChain, path: Path, replace: bool = False) -> Exported:
    return await Exporter(chain, chain.programme(), lambda done: None).write(path, replace=replace)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


async def filled(folder: Path) -> MemoryChain:
    """Return a chain with members of all kinds: available, held, pending, spent and owing."""
    chain = MemoryChain()
    lines = [f"r{i},m{i},{100 + i},{'2030-12-31' if i % 2 else ''}," for i in range(20)]
    lines += ["p1,m1,30,2031-01-31,2030-06-30", "p2,m1,31,2031-01-31,2030-07-31"]
    with planned(folder, chain, "ref,member,amount,expires,pending_until", *lines) as plan:
        await Sender(plan, chain, Target("aurora", "miles", 400_000)).run(1)
    real = chain.chain
    holder = real.view("token_ref", program="miles", ref="import-r3")["account"]
    hold = {"program": "miles", "amount": 40, "at_brand": "aurora", "hold": "h1"}
    real.send("aurora-cashier", "token.hold", from_=holder, expires=real.time + DAY, **hold)
    real.send("aurora-admin", "token.create_program", **program_args("other", "aurora"))
    real.send("aurora-issuer", "token.issue", program="other", to=holder, amount=50)
    elsewhere = {**hold, "program": "other", "amount": 50, "hold": "h2"}
    real.send("aurora-cashier", "token.hold", from_=holder, expires=real.time + DAY, **elsewhere)
    spent = real.view("token_ref", program="miles", ref="import-r4")["account"]
    real.send("aurora-cashier", "token.burn", program="miles", from_=spent, amount=104)
    real.send("aurora-issuer", "token.issue", program="miles", to=ANN, amount=9, ref="s1")
    real.send("ann", "token.burn", program="miles", amount=9)
    real.send("aurora-issuer", "token.reverse", program="miles", ref="s1", amount=4)
    return chain


async def test_an_export_adds_up_and_can_be_imported_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "PAGE", 3)
    chain = await filled(tmp_path)
    done = await exported(chain, tmp_path / "out.csv")
    supply = chain.supply()
    assert done.problems(supply) == []
    assert (done.points["held"], done.points["pending"], done.points["debt"]) == (40, 61, 4)
    rows = rows_of(tmp_path / "out.csv")
    assert sum(int(row["amount"]) for row in rows) == supply["outstanding"]
    assert len({row["ref"] for row in rows}) == len(rows) == done.rows
    assert {row["note"] for row in rows} == {"available", "held", "pending"}

    other = MemoryChain()
    header, *lines = (tmp_path / "out.csv").read_text().splitlines()
    with planned(tmp_path, other, header, *lines) as plan:
        await Sender(plan, other, Target("aurora", "miles", 400_000)).run(1)
        assert not list(plan.rejects())
    assert other.supply()["issued"] == supply["outstanding"]
    again = await exported(other, tmp_path / "again.csv")
    assert again.problems(other.supply()) == []
    lots = [
        {row["address"]: row["amount"] for row in rows if row["note"] == "pending"}
        for rows in (rows, rows_of(tmp_path / "again.csv"))
    ]
    assert lots[0] == lots[1]
    dates = [
        {(row["address"], row["expires"]) for row in rows_of(tmp_path / name)} for name in ("out.csv", "again.csv")
    ]
    assert dates[0] == dates[1]


async def test_a_difference_from_the_supply_is_told(tmp_path: Path) -> None:
    chain = await filled(tmp_path)
    done = await exported(chain, tmp_path / "out.csv")
    (problem,) = done.problems({**chain.supply(), "held": 41})
    assert problem == "held: the rows have 40, the program's supply 41"


async def test_a_file_that_exists_stays(tmp_path: Path) -> None:
    chain = MemoryChain()
    file = write_csv(tmp_path / "out.csv", "mine")
    with pytest.raises(MovingError, match="exists"):
        await exported(chain, file)
    assert file.read_text().startswith("mine")
    await exported(chain, file, replace=True)
    assert rows_of(file) == []


async def test_smaller_pages_where_one_is_too_much_work_and_an_end_where_the_state_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = await filled(tmp_path)
    answer = chain._answer
    limits: list[int] = []

    def limited(method: str, params: Any) -> Any:
        if method == "state_view" and params["view"] == "token_holders":
            limits.append(params["args"]["limit"])
            if limits[-1] > 5:
                return RpcError(-32005, "too much", {"reason": "OUT_OF_BUDGET"})
        return answer(method, params)

    monkeypatch.setattr(chain, "_answer", limited)
    done = await exported(chain, tmp_path / "out.csv")
    assert done.problems(chain.supply()) == []
    assert limits[:8] == [500, 250, 125, 62, 31, 15, 7, 3]
    assert max(limits[8:]) <= 6, "the next page is tried a little larger, not at 500 again"
    assert limits[8] == 4
    gone = RpcError(-32001, "gone", {"reason": "STATE_PRUNED"})
    monkeypatch.setattr(
        chain, "_answer", lambda method, params: gone if method == "state_view" else answer(method, params)
    )
    with pytest.raises(Stopped, match="no longer has the state"):
        await exported(chain, tmp_path / "gone.csv")
    assert not (tmp_path / "gone.csv").exists()
