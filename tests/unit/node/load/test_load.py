"""What a load makes, how it counts what becomes of it, and how it keeps its pace."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import pytest

from node.client import ConnectionFailed, RpcClient, RpcError
from node.load import running, sending, setup
from node.load.accounts import Accounts
from node.load.clock import ChainClock
from node.load.errors import LoadError
from node.load.running import closed_loop, open_loop, watched
from node.load.sending import Sender
from node.load.setup import TOP_UP_BELOW, prepared
from node.load.tally import Latencies, Tally
from node.load.units import Brand, Request, Requests, Shape
from vm.primitives.keys import SigningKey
from vm.transaction import parse_transaction, signatures_valid

KEY = SigningKey(bytes(range(32)))
INFO = {"chain": "c-01", "max_tx_ttl_ms": 600_000, "clock": 5_000, "time": 4_000, "clock_rate": 1}
BRAND = Brand("aurora-load", "aurora", KEY)


def refusal(reason: str) -> RpcError:
    return RpcError(-32_003, reason, {"reason": reason})


def maker(shape: Shape) -> Requests:
    return Requests(ChainClock.of(INFO), BRAND, Accounts.derived(KEY, 5), shape)


# -- units -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["transfer", "issue", "record"])
@pytest.mark.parametrize(("operations", "together", "each"), [(1, 1, 3), (1, 4, 1), (7, 1, 2), (7, 4, 1)])
def test_a_request_holds_its_units_signed_as_its_shape_says(
    kind: Any, operations: int, together: int, each: int
) -> None:
    requests = maker(Shape(kind, operations, together, each))
    seen: set[str] = set()
    for number in range(3):
        request = requests.make(number)
        transactions = [parse_transaction(raw) for raw in request.raws]
        assert all(signatures_valid(transaction) for transaction in transactions)
        assert tuple(transaction.id.hex() for transaction in transactions) == request.ids
        assert (
            sum(len(transaction.body.ops) for transaction in transactions)
            == request.units
            == 7 ** (operations > 1) * len(transactions)
        )
        assert len(transactions) == (together if together > 1 else each)
        assert all(bool(transaction.paths) is (together > 1) for transaction in transactions)
        seen |= set(request.ids)
    assert len(seen) == 3 * (together if together > 1 else each)


def test_single_transfers_are_the_accounts_own_and_never_to_themselves() -> None:
    accounts = Accounts.derived(KEY, 5)
    requests = Requests(ChainClock.of(INFO), BRAND, accounts, Shape("transfer", transactions=25))
    transactions = [parse_transaction(raw) for raw in requests.make(0).raws]
    assert {transaction.body.sender for transaction in transactions} == set(accounts.addresses)
    assert all(transaction.body.ops[0][1]["to"] != transaction.body.sender for transaction in transactions)
    others = [parse_transaction(raw) for raw in maker(Shape("issue", transactions=2)).make(0).raws]
    assert {transaction.body.sender for transaction in others} == {BRAND.address}


def test_accounts_are_the_same_ones_each_time_and_two_runs_share_no_transaction() -> None:
    assert Accounts.derived(KEY, 3).addresses == Accounts.derived(KEY, 5).addresses[:3]
    shape = Shape("issue", transactions=4)
    first, second = Requests(*_parts(), shape, run="0000aa"), Requests(*_parts(), shape, run="0000ab")
    refs = [parse_transaction(raw).body.ops[0][1]["ref"] for made in (first, second) for raw in made.make(0).raws]
    assert len(set(refs)) == 8


def _parts() -> tuple[ChainClock, Brand, Accounts]:
    return ChainClock.of(INFO), BRAND, Accounts.derived(KEY, 5)


def test_block_time_runs_as_fast_as_the_chain_says(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("node.load.clock.time.monotonic", lambda: now[0])
    clock = ChainClock.of({**INFO, "clock_rate": 1_000})
    now[0] = 102.0
    assert clock.now_ms() == 5_000 + 2_000 * 1_000
    assert clock.expires() == clock.now_ms() + 300_000


# -- counting --------------------------------------------------------------------------------------------


def test_quantiles_are_right_within_a_hundredth() -> None:
    latencies = Latencies()
    assert latencies.quantile_ms(0.5) == 0.0
    for ms in range(1, 1_001):
        latencies.add(ms)
    for share, exact in ((0.5, 500), (0.95, 950), (0.99, 990)):
        assert latencies.quantile_ms(share) == pytest.approx(exact, rel=0.011)
    latencies.add(10**7, units=10**6)
    assert latencies.quantile_ms(0.5) == pytest.approx(10**7, rel=0.011)


def test_the_rate_counts_what_was_final_in_the_window() -> None:
    tally = Tally()
    tally.sent = 30
    tally.add_final(5, 10)
    tally.close(2.0)
    tally.add_final(5, 7)
    tally.failed["CODE"] += 1
    tally.refused["TIMEOUT"] += 2
    tally.close(9.0)
    assert (tally.rate, tally.final, tally.unanswered) == (5.0, 17, 10)
    assert tally.as_json()["latency_ms"]["p50"] == pytest.approx(5, rel=0.011)


# -- sending ---------------------------------------------------------------------------------------------


class Node:
    """Answers submissions from a script, one list for each batch; waits are answered from a table by id."""

    def __init__(self, *submissions: Any, receipts: Mapping[str, Any] | None = None) -> None:
        self.script = list(submissions)
        self.receipts = dict(receipts or {})
        self.submitted: list[list[bytes]] = []
        self.waited: list[str] = []

    def sender(self, tally: Tally, *, sampled: bool = False) -> Sender:
        return Sender(cast(RpcClient, self), tally, sampled=sampled)

    async def submit_many(self, raws: Sequence[bytes]) -> list[Any]:
        self.submitted.append(list(raws))
        answer = self.script.pop(0) if self.script else [{} for _ in raws]
        if isinstance(answer, Exception):
            raise answer
        return list(answer)

    async def batch(self, calls: Sequence[tuple[str, Mapping[str, Any]]], *, wait_s: float) -> list[Any]:
        assert wait_s == sending.WAIT_MS / 1_000
        await asyncio.sleep(0)
        ids = [params["id"] for _, params in calls]
        self.waited += ids
        return [self.receipts.get(id_, {"status": "ok"}) for id_ in ids]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(sending, "LONGEST_PAUSE_S", 0.0)


def request(count: int, units: int = 1) -> Request:
    return Request(tuple(bytes([n]) for n in range(count)), tuple(f"id-{n}" for n in range(count)), units)


async def test_a_full_pool_is_waited_for_and_each_transaction_is_sent_until_it_is_taken() -> None:
    full, tally = refusal("POOL_FULL"), Tally()
    node = Node([full, full, full], [full, {}, full], [{}, {}])
    await node.sender(tally).send(request(3, units=2))
    assert node.submitted == [[b"\0", b"\1", b"\2"], [b"\0", b"\1", b"\2"], [b"\0", b"\2"]]
    assert node.waited == ["id-1", "id-0", "id-2"]
    assert (tally.final, tally.waited, tally.refused, tally.unanswered) == (6, {"POOL_FULL": 10}, {}, 0)


async def test_each_outcome_is_counted_once_by_its_code() -> None:
    tally = Tally()
    receipts = {
        "id-1": {"status": "failed", "error": {"code": "INSUFFICIENT_BALANCE"}},
        "id-2": refusal("TIMEOUT"),
    }
    node = Node([{}, {}, {}, refusal("EXPIRED")], receipts=receipts)
    await node.sender(tally).send(request(4))
    assert (tally.final, tally.failed, tally.refused) == (
        1,
        {"INSUFFICIENT_BALANCE": 1},
        {"TIMEOUT": 1, "EXPIRED": 1},
    )
    assert tally.unanswered == 0


async def test_a_node_that_is_away_or_refuses_the_batch_counts_for_all_of_it() -> None:
    tally = Tally()
    await Node(ConnectionFailed("no answer")).sender(tally).send(request(3))
    await Node(refusal("BATCH_TOO_LONG")).sender(tally).send(request(2))
    assert (tally.refused, tally.unanswered) == ({"UNREACHABLE": 3, "BATCH_TOO_LONG": 2}, 0)


async def test_a_sampled_request_asks_for_its_last_receipt_only() -> None:
    tally, node = Tally(), Node()
    await node.sender(tally, sampled=True).send(request(5, units=3))
    assert (node.waited, tally.final) == (["id-4"], 15)


# -- running ---------------------------------------------------------------------------------------------


class Held:
    """A sender whose requests are decided when the test says so."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.begun: list[float | None] = []
        self.release = asyncio.Event()

    async def send(self, request: Request, begun: float | None = None) -> None:
        self.tally.sent += request.units
        self.begun.append(begun)
        await asyncio.sleep(0)
        await self.release.wait()
        self.tally.add_final(1.0, request.units)


def senders(*held: Held) -> list[Sender]:
    return cast(list[Sender], list(held))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 (the parts tested tell nobody)
            await asyncio.sleep(0.001)


async def test_a_closed_loop_keeps_so_many_on_their_way() -> None:
    tally = Tally()
    first, second = Held(tally), Held(tally)
    made = (request(2) for _ in itertools.count())
    loop = asyncio.ensure_future(closed_loop(senders(first, second), made, 5, 0.02))
    await until(lambda: tally.sent == 10)
    assert (len(first.begun), len(second.begun)) == (3, 2)
    await asyncio.sleep(0.03)
    assert tally.sent == 10
    first.release.set()
    second.release.set()
    await loop
    assert (tally.final, tally.unanswered) == (10, 0)


async def test_an_open_loop_sends_on_schedule_whatever_becomes_of_the_former_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tally = Tally()
    held = Held(tally)
    made = (request(2) for _ in itertools.count())
    monkeypatch.setattr(running, "MAX_OUTSTANDING", 6)
    loop = asyncio.ensure_future(open_loop(senders(held), made, 200.0, 0.1, tally))
    await until(lambda: tally.sent + tally.dropped == 20)
    assert (tally.sent, tally.dropped) == (6, 14)
    due = [begun for begun in held.begun if begun is not None]
    assert [b - a for a, b in itertools.pairwise(due)] == pytest.approx([0.01, 0.01])
    held.release.set()
    await loop


async def test_an_interrupted_load_keeps_what_was_measured() -> None:
    tally, told = Tally(), []
    held = Held(tally)
    made = (request(1) for _ in itertools.count())
    task = asyncio.ensure_future(
        watched(closed_loop(senders(held), made, 1, 60.0), 60.0, tally, lambda so_far: told.append(so_far.final))
    )
    await until(lambda: tally.sent == 1)
    held.release.set()
    await until(lambda: tally.final > 10)
    task.cancel()
    assert await task is False
    assert 0 < tally.seconds < 60
    assert tally.rate > 0


async def test_what_is_on_its_way_for_too_long_stays_unanswered(monkeypatch: pytest.MonkeyPatch) -> None:
    tally = Tally()
    monkeypatch.setattr(running, "DRAIN_S", 0.01)
    load = closed_loop(senders(Held(tally)), iter([request(4)]), 1, 0.01)
    assert await watched(load, 0.01, tally, lambda _: None)
    assert (tally.final, tally.unanswered, tally.is_open) == (0, 4, False)


async def test_a_fault_of_the_load_itself_is_not_swallowed() -> None:
    tally = Tally()
    with pytest.raises(ExceptionGroup) as raised:
        await watched(closed_loop([Node().sender(tally)], iter([]), 1, 5.0), 5.0, tally, lambda _: None)
    assert raised.group_contains(ValueError, match="too few requests")


# -- preparing -------------------------------------------------------------------------------------------


class Chain:
    """What a load asks of the chain before it begins."""

    def __init__(self, *, roles: Sequence[str] = ("admin", "issuer"), status: str = "ok") -> None:
        self.roles = list(roles)
        self.status = status
        self.known: set[str] = set()
        self.balances: dict[str, int] = {}
        self.sent: list[str] = []

    async def call(self, method: str, **params: Any) -> Any:
        if method == "identity_account":
            return {"roles": {"aurora": self.roles}}
        if method not in self.known:
            raise refusal("NOT_FOUND")
        return {}

    async def batch(self, calls: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Any]:
        return [{"available": self.balances.get(params["account"], 0)} for _, params in calls]

    async def send_transaction(self, key: SigningKey, ops: Sequence[tuple[str, Mapping[str, Any]]]) -> Any:
        assert key is KEY
        for call, args in ops:
            self.sent.append(call)
            if call == "token.issue":
                self.balances[args["to"]] = self.balances.get(args["to"], 0) + args["amount"]
        self.known |= {
            {"token.create_program": "token_program", "campaign.create": "campaign_campaign"}.get(ops[0][0], "")
        }
        return {"status": self.status, "error": {"code": "SUSPENDED", "message": "no"}}


async def prepare(chain: Chain, kind: Any) -> Brand:
    return await prepared(
        cast(RpcClient, chain), KEY, Accounts.derived(KEY, setup.ISSUES + 5), kind, ChainClock.of(INFO)
    )


async def test_what_is_there_is_used_again() -> None:
    chain = Chain()
    assert await prepare(chain, "transfer") == BRAND
    assert chain.sent == ["token.create_program"] + ["token.issue"] * (setup.ISSUES + 6)
    chain.sent.clear()
    await prepare(chain, "transfer")
    assert chain.sent == []
    chain.balances[BRAND.address] = TOP_UP_BELOW - 1
    await prepare(chain, "transfer")
    assert chain.sent == ["token.issue"]


async def test_recorded_purchases_get_a_campaign_once_and_no_points() -> None:
    chain = Chain()
    for _ in range(2):
        await prepare(chain, "record")
    assert chain.sent == ["token.create_program", "campaign.create"]


async def test_an_account_without_the_roles_or_a_refusal_ends_the_preparation() -> None:
    with pytest.raises(LoadError, match="admin and issuer of no brand"):
        await prepare(Chain(roles=["issuer"]), "issue")
    with pytest.raises(LoadError, match=r"refuses token\.create_program: SUSPENDED"):
        await prepare(Chain(status="failed"), "issue")
