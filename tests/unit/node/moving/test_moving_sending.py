"""Paying the rows of a plan: each once, whatever fails, and wherever the importer is killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from node.moving import sending
from node.moving.errors import MovingError, Stopped
from node.moving.importing import compare, survey, totals_of, write_rejects
from node.moving.plan import Plan
from node.moving.programme import Supply
from node.moving.sending import Progress, Sender, Target
from tests.contract_harness import account_of
from tests.support.moving import TARGET, MemoryChain, planned
from vm.primitives.address import address_of_member
from vm.primitives.codec import encode

HEADER = "ref,member,amount,expires"
ANN = account_of("ann")


class Killed(BaseException):
    """Stands for kill -9: nothing of the importer runs any more."""


def rows(count: int, first: int = 0) -> list[str]:
    return [f"r{i},m{i},{i + 1},2030-12-31" for i in range(first, first + count)]


def points(count: int) -> int:
    return count * (count + 1) // 2


async def pay(plan: Plan, chain: MemoryChain, target: Target = TARGET, in_flight: int = 3) -> Progress:
    sender = Sender(plan, chain, target)
    await sender.run(in_flight)
    assert not sender._enrolling, "what is no longer in flight is forgotten, or memory grows with the members"
    return sender.progress


def reasons(plan: Plan) -> dict[str, str]:
    return {reject.ref: reject.reason for reject in plan.rejects()}


async def test_members_are_enrolled_and_paid(tmp_path: Path) -> None:
    chain = MemoryChain()
    with planned(tmp_path, chain, HEADER, *rows(250), "more,m0,9,") as plan:
        progress = await pay(plan, chain)
        assert (progress.paid_rows, progress.points, progress.enrolled) == (251, points(250) + 9, 250)
        assert chain.supply()["issued"] == points(250) + 9
        item = {"program": "miles", "ref": "import-more"}
        account = chain.chain.view("token_ref", **item)["account"]
        assert chain.chain.view("identity_member", member=account)["custodial"]
        assert {
            lot["amount"] for lot in chain.chain.view("token_balance", program="miles", account=account)["lots"]
        } == {1, 9}
        assert totals_of(plan)["open"] == {"rows": 0, "points": 0}


async def test_a_second_run_pays_nothing_twice(tmp_path: Path) -> None:
    chain = MemoryChain()
    for found in (0, 120):
        with planned(tmp_path, chain, HEADER, *rows(120)) as plan:
            progress = await pay(plan, chain)
            assert (progress.paid_rows, totals_of(plan)["paid_before"]["rows"]) == (120 - found, found)
            assert not reasons(plan)
    assert chain.supply()["issued"] == points(120)


@pytest.mark.parametrize("place", range(1, 7))
@pytest.mark.parametrize("keeps_journal", [True, False])
@pytest.mark.parametrize("final", [True, False])
async def test_killed_anywhere_a_second_run_completes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int, keeps_journal: bool, final: bool
) -> None:
    monkeypatch.setattr(sending, "FIRST_ROWS", 7)
    monkeypatch.setattr(sending, "MAX_ROWS", 7)
    chain = MemoryChain()

    def kill(count: int) -> None:
        if count == place:
            raise Killed

    if final:
        chain.after_sending = kill  # The block is final, and the importer does not learn it.
    else:
        chain.before_sending = kill
    file = tmp_path / "plan"
    plan = planned(tmp_path, chain, HEADER, *rows(40))
    file = plan.path
    with plan, pytest.raises((Killed, BaseExceptionGroup)):
        await pay(plan, chain)
    chain.after_sending = chain.before_sending = lambda count: None
    again = Plan(file, "test") if keeps_journal else planned(tmp_path, chain, HEADER, *rows(40))
    with again as plan:
        assert plan.reused is keeps_journal
        await pay(plan, chain)
        assert not reasons(plan)
        assert totals_of(plan)["open"]["rows"] == 0
        members = plan.count("members WHERE enrolled")
    assert chain.supply()["issued"] == points(40)
    assert members == 40


async def test_bad_rows_among_good_ones_are_found_and_the_others_go_through(tmp_path: Path) -> None:
    chain = MemoryChain()
    chain.chain.send("aurora-issuer", "token.issue", program="miles", to=ANN, amount=5, ref="import-r10")
    rows_ = rows(60)
    with planned(tmp_path, chain, HEADER, *rows_) as plan:
        # By now these points would have expired: the rows were judged at an earlier time.
        plan._db.execute("UPDATE rows SET expires = 5 WHERE ref IN ('import-r3', 'import-r41', 'import-r59')")
        progress = await pay(plan, chain)
        told = reasons(plan)
    assert set(told) == {"import-r3", "import-r10", "import-r41", "import-r59"}
    assert told["import-r10"] == f"differs: the ref has paid 5 to {ANN}"
    assert told["import-r3"].startswith("EXPIRED")
    assert progress.paid_rows == 56
    assert chain.supply()["issued"] == 5 + points(60) - 4 - 11 - 42 - 60


async def test_a_refused_row_enrolls_nobody_unless_others_of_its_member_are_paid(tmp_path: Path) -> None:
    chain = MemoryChain()
    with planned(tmp_path, chain, HEADER, "a,m1,5,", "b,m1,6,", "c,m2,7,") as plan:
        plan._db.execute("UPDATE rows SET expires = 5 WHERE ref IN ('import-a', 'import-c')")
        await pay(plan, chain)
        m1 = chain.chain.view("token_ref", program="miles", ref="import-b")["account"]
        (m2,) = [row[0] for row in plan._db.execute("SELECT account FROM rows WHERE ref = 'import-c'")]
    assert chain.chain.view("identity_member", member=m1)
    with pytest.raises(Exception, match="no such member"):
        chain.chain.view("identity_member", member=m2)


async def test_members_that_exist_are_not_enrolled_again(tmp_path: Path) -> None:
    chain = MemoryChain()
    with planned(tmp_path, chain, HEADER, *rows(30)) as plan:
        (committed,) = plan._db.execute("SELECT commitment FROM rows WHERE ref = 'import-r17'").fetchone()
        chain.chain.send("aurora-issuer", "identity.enroll", brand="aurora", ref=committed)
        progress = await pay(plan, chain)
        assert progress.enrolled == 29
        assert not reasons(plan)


async def test_a_member_that_exists_fails_no_transaction_however_many_rows_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "FIRST_ROWS", 2)
    monkeypatch.setattr(sending, "MAX_ROWS", 2)
    chain = MemoryChain()
    with planned(tmp_path, chain, HEADER, *[f"r{i},m1,1,203{i}-12-31" for i in range(8)]) as plan:
        (committed,) = plan._db.execute("SELECT DISTINCT commitment FROM rows").fetchone()
        chain.chain.send("aurora-issuer", "identity.enroll", brand="aurora", ref=committed)
        await pay(plan, chain, in_flight=1)
    assert [len(ops) for ops in chain.sent] == [2, 2, 2, 2]


async def test_a_member_who_was_enrolled_by_others_meanwhile_needs_nothing(tmp_path: Path) -> None:
    chain = MemoryChain()
    with planned(tmp_path, chain, HEADER, "a,m1,5,", "b,m1,6,") as plan:
        plan._db.execute("UPDATE rows SET expires = 5 WHERE ref = 'import-a'")
        (committed,) = plan._db.execute("SELECT DISTINCT commitment FROM rows").fetchone()

        def enroll(count: int) -> None:
            if chain.sent[-1][0][0] == "identity.enroll" and len(chain.sent[-1]) == 1:
                chain.chain.send("aurora-issuer", "identity.enroll", brand="aurora", ref=committed)

        chain.before_sending = enroll
        sender = Sender(plan, chain, TARGET)
        sender._enrolling.add(plan.open_items(0, 1)[0].account)  # As if another of its rows enrolled it.
        await sender.run(1)
        assert plan.count("members WHERE enrolled") == 1
        assert sender.progress.enrolled == 0


async def test_unknown_addresses_are_refused_unless_asked_for(tmp_path: Path) -> None:
    chain = MemoryChain()
    known = account_of("aurora-admin")
    lines = [f"a,{ANN},5", f"b,{known},6"]
    with planned(tmp_path, chain, "ref,address,amount", *lines) as plan:
        await pay(plan, chain)
        assert set(reasons(plan)) == {"import-a"}
    with planned(tmp_path, chain, "ref,address,amount", *lines) as plan:
        await pay(plan, chain, Target("aurora", "miles", 400_000, any_address=True))
        assert not reasons(plan)
    assert chain.supply()["issued"] == 11


@pytest.mark.parametrize(
    ("sender", "program", "words"),
    [("basil-issuer", {}, "NOT_AUTHORISED"), ("aurora-issuer", {"cap": 100}, "CAP_EXCEEDED")],
)
async def test_what_would_meet_every_row_stops_the_import(
    tmp_path: Path, sender: str, program: dict[str, Any], words: str
) -> None:
    chain = MemoryChain(sender, **program)
    with planned(tmp_path, chain, HEADER, *rows(40)) as plan:
        with pytest.raises(Stopped, match=words):
            await pay(plan, chain)
        assert not reasons(plan)
        assert totals_of(plan)["open"]["rows"] == 40
    assert chain.supply()["issued"] == 0


async def test_a_liability_cap_stops_the_import_and_rejects_no_row(tmp_path: Path) -> None:
    chain = MemoryChain()
    cap = {
        "code": "LIMIT_EXCEEDED",
        "message": "the brand's liability cap would be passed",
        "op": 3,
        "details": {"limit": 9, "liability": 10},
    }
    chain.answers = [{"status": "failed", "error": cap}]
    with planned(tmp_path, chain, HEADER, *rows(10)) as plan:
        with pytest.raises(Stopped, match="liability cap"):
            await pay(plan, chain, in_flight=1)
        assert not reasons(plan)
        assert totals_of(plan)["open"]["rows"] == 10


async def test_a_row_with_too_many_lots_is_a_row_at_fault(tmp_path: Path) -> None:
    chain = MemoryChain()
    lots = {"code": "LIMIT_EXCEEDED", "message": "too many lots", "op": 3, "details": {"limit": 4_096}}
    chain.answers = [{"status": "failed", "error": lots}]
    with planned(tmp_path, chain, HEADER, *rows(10)) as plan:
        await pay(plan, chain, in_flight=1)
        assert reasons(plan) == {"import-r1": "LIMIT_EXCEEDED: too many lots"}
    assert chain.supply()["issued"] == points(10) - 2


async def test_many_rows_refused_and_none_taken_stop_the_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "MAX_FAILURES", 3)
    chain = MemoryChain()
    broken = {"status": "failed", "error": {"code": "NEW_CODE", "message": "of a later version", "op": 0}}
    chain.answers = [broken] * 3
    with planned(tmp_path, chain, HEADER, *rows(10)) as plan:
        with pytest.raises(Stopped, match=r"refused 3 rows and taken none: NEW_CODE"):
            await pay(plan, chain, in_flight=1)
        assert totals_of(plan)["open"]["rows"] == 7
    assert len(chain.sent) == 3


async def test_rows_taken_in_between_make_refusals_single_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "MAX_FAILURES", 3)
    monkeypatch.setattr(sending, "FIRST_ROWS", 4)
    monkeypatch.setattr(sending, "MAX_ROWS", 4)
    chain = MemoryChain()
    with planned(tmp_path, chain, HEADER, *rows(20)) as plan:
        # By now the points of two rows of each transaction would have expired.
        plan._db.execute("UPDATE rows SET expires = 5 WHERE id % 4 < 2")
        progress = await pay(plan, chain, in_flight=1)
        assert (progress.paid_rows, len(reasons(plan))) == (10, 10)


@pytest.mark.parametrize("op", [-1, 20, 99])
async def test_a_failure_that_names_no_operation_stops_the_import(tmp_path: Path, op: int) -> None:
    chain = MemoryChain()
    chain.answers = [{"status": "failed", "error": {"code": "EXPIRED", "message": "odd", "op": op}}]
    with planned(tmp_path, chain, HEADER, *rows(10)) as plan:
        with pytest.raises(Stopped, match="EXPIRED: odd"):
            await pay(plan, chain, in_flight=1)
        assert not reasons(plan)


@pytest.mark.parametrize(
    ("to", "amount", "refused"),
    [(ANN, "7", []), (ANN, "8", ["import-r"]), (account_of("bob"), "7", ["import-r"])],
)
async def test_a_ref_that_was_paid_meanwhile_is_found_or_differs(
    tmp_path: Path, to: str, amount: str, refused: list[str]
) -> None:
    chain = MemoryChain()

    def pay_elsewhere(count: int) -> None:
        if count == 1:  # Between the look at the rows and their transaction: by another run, or till.
            op = {"program": "miles", "to": ANN, "amount": 7, "ref": "import-r"}
            chain.chain.send("aurora-issuer", "token.issue", **op)

    chain.before_sending = pay_elsewhere
    with planned(tmp_path, chain, "ref,address,amount", f"q,{ANN},1", f"r,{to},{amount}", f"s,{ANN},2") as plan:
        await pay(plan, chain, Target("aurora", "miles", 400_000, any_address=True))
        assert list(reasons(plan)) == refused
        totals = totals_of(plan)
        assert totals["paid"] == {"rows": 2, "points": 3}
        assert totals["paid_before"]["rows"] == 1 - len(refused)
    assert chain.supply()["issued"] == 10
    assert len(chain.sent) == 2


async def test_a_member_of_many_rows_is_enrolled_once_whatever_is_in_flight(tmp_path: Path) -> None:
    chain = MemoryChain()
    lines = [f"r{i},m{i % 3},1,203{i % 10}-12-31" for i in range(300)]
    with planned(tmp_path, chain, HEADER, *lines) as plan:
        progress = await pay(plan, chain, in_flight=8)
        assert not reasons(plan)
    enrolled = [op for ops in chain.sent for op in ops if op[0] == "identity.enroll"]
    assert (len(enrolled), progress.enrolled, progress.paid_rows) == (3, 3, 300)


async def test_a_transaction_is_within_the_chains_bytes_and_operations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = sending.ROOM_BYTES + 3_000
    monkeypatch.setattr(sending, "MAX_TX_BYTES", size)
    chain = MemoryChain()
    with planned(tmp_path, chain, HEADER, *rows(100)) as plan:
        await pay(plan, chain)
        assert not reasons(plan)
    sizes = [len(encode([list(op) for op in ops])) for ops in chain.sent]
    assert max(sizes) <= 3_000
    assert min(sizes[:-3]) > 2_000, "as many rows as there is room for"
    assert sum(len(ops) for ops in chain.sent) == 200


async def test_a_transaction_grows_to_its_share_of_what_one_may_cost(tmp_path: Path) -> None:
    chain = MemoryChain()
    with planned(tmp_path, chain, HEADER, *rows(700)) as plan:
        await pay(plan, chain, in_flight=1)
    counts = [len(ops) // 2 for ops in chain.sent]
    assert counts[0] == sending.FIRST_ROWS
    assert 150 < counts[1] <= sending.MAX_ROWS
    assert sum(counts) == 700


async def test_a_transaction_that_is_too_large_is_halved(tmp_path: Path) -> None:
    chain = MemoryChain()
    too_large = {"code": "OUT_OF_BUDGET", "message": "too much", "op": 7, "details": {"limit": 400_000}}
    chain.answers = [{"status": "failed", "error": too_large}] * 2
    with planned(tmp_path, chain, HEADER, *rows(80)) as plan:
        await pay(plan, chain, in_flight=1)
        assert not reasons(plan)
    assert [len(ops) for ops in chain.sent[:4]] == [160, 80, 40, 40]
    assert chain.supply()["issued"] == points(80)


async def test_a_full_block_and_a_used_allowance_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[int] = []

    async def pause(self: Any, attempt: int, why: str, least_s: float = 0.0) -> None:
        pauses.append(attempt)

    monkeypatch.setattr(sending.Patience, "pause", pause)
    chain = MemoryChain()
    errors = [
        {"code": "OUT_OF_BUDGET", "message": "the block has no work units left", "op": -1},
        {"code": "OUT_OF_BUDGET", "message": "used up", "op": 3, "details": {"limit": 9_000}},
    ]
    chain.answers = [{"status": "failed", "error": error} for error in errors]
    with planned(tmp_path, chain, HEADER, *rows(10)) as plan:
        await pay(plan, chain, in_flight=1)
    assert pauses == [0, 1]
    assert chain.sent[0] == chain.sent[1] == chain.sent[2]
    assert chain.supply()["issued"] == points(10)


async def test_a_plan_is_for_one_file_and_one_import_at_a_time(tmp_path: Path) -> None:
    chain = MemoryChain()
    with planned(tmp_path, chain, HEADER, *rows(3)) as plan:
        with pytest.raises(MovingError, match="is running"):
            Plan(plan.path, "test")
        path = plan.path
    with Plan(path, "another file") as other:
        assert not other.reused
        assert other.count("rows") == 0


async def test_a_dry_run_finds_what_a_run_would_and_sends_nothing(tmp_path: Path) -> None:
    chain = MemoryChain()
    with planned(tmp_path, chain, HEADER, *rows(5)) as plan:
        await pay(plan, chain)
    sent = len(chain.sent)
    lines = [*rows(8, 2), "x,m0,1,"]
    lines[0] = "r2,m2,999,"
    with planned(tmp_path, chain, HEADER, *lines) as plan:
        await survey(plan, chain, TARGET, lambda done: None)
        totals = totals_of(plan)
        assert (totals["open"]["rows"], totals["paid_before"]["rows"], len(reasons(plan))) == (6, 2, 1)
        assert plan.count("members WHERE enrolled") == 4
    assert len(chain.sent) == sent


async def test_the_supply_is_compared_with_what_was_paid(tmp_path: Path) -> None:
    chain = MemoryChain()
    before = Supply(0, chain.supply())
    with planned(tmp_path, chain, HEADER, *rows(5)) as plan:
        progress = await pay(plan, chain)
    assert (await compare(chain, "miles", ANN, before, progress)).agrees
    chain.chain.send("aurora-issuer", "token.issue", program="miles", to=ANN, amount=1)
    comparison = await compare(chain, "miles", ANN, before, progress)
    assert (comparison.agrees, comparison.expected, comparison.grown) == (False, 15, 16)


async def test_rejects_are_written_and_an_old_file_goes(tmp_path: Path) -> None:
    chain = MemoryChain()
    file = tmp_path / "rejects.csv"
    with planned(tmp_path, chain, HEADER, "a,m1,1e3,", 'b,"m,2",-1,') as plan:
        write_rejects(plan, file)
    lines = file.read_bytes().split(b"\r\n")
    assert lines[0] == b'"line","ref","reason"'
    assert lines[1].startswith(b'"2","a",')
    with planned(tmp_path, chain, HEADER, *rows(1)) as plan:
        write_rejects(plan, file)
    assert not file.exists()


async def test_another_brands_commitment_is_no_members_of_this_one(tmp_path: Path) -> None:
    chain = MemoryChain()
    secret = "ab" * 32
    chain.chain.send("basil-issuer", "identity.enroll", brand="basil", ref=secret)
    account = address_of_member("basil", bytes.fromhex(secret))
    with planned(tmp_path, chain, "ref,commitment,address,amount", f"a,{secret},{account},5") as plan:
        await pay(plan, chain)
        assert not reasons(plan)
    assert chain.chain.view("token_balance", program="miles", account=account)["available"] == 5
