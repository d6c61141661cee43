"""Draws for tests: a chain of four validators' brands, what brands do, and a campaign that only tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contracts_py.campaign.draw_entries import enter, withdraw
from contracts_py.campaign.draw_seed import commitment_of
from contracts_py.campaign.recorder import Ran
from contracts_py.campaign.rooms import further_rooms
from contracts_py.registry import contracts
from tests.contract_harness import CHAIN, START, Chain, account_of, brand_ops, key_of
from vm.chain_records import ValidatorEntry
from vm.contract_api import MS_PER_DAY, Address, Context, Contract, Count, Refused, Slug, call
from vm.primitives.hashing import sha256
from vm.runtime import Runtime

BRANDS = ("aurora", "basil", "comet", "dune")
CLOSES = START + MS_PER_DAY


class Told:
    """Stands for the campaigns: what is run for a winner is remembered outside the chain.

    Attributes:
        runs: what was run.
        refuses: what refuses it, if anything.
        ran: what it answers.
    """

    def __init__(self) -> None:
        self.runs: list[tuple[str, str, str, str, dict[str, Any]]] = []
        self.refuses: Refused | None = None
        self.ran = Ran(("lucky",))

    def brand_and_event(self, ctx: Context, campaign: str) -> tuple[str, str]:
        """Return aurora, and the event `code`, for the campaign `lucky`."""
        del ctx
        if campaign != "lucky":
            raise Refused("NOT_FOUND", "no such campaign", campaign=campaign)
        return "aurora", "code"

    def run(
        self,
        ctx: Context,
        brand: str,
        event: str,
        member: str,
        ref: str,
        attrs: Mapping[str, Any],
        at: int | None = None,
    ) -> Ran:
        """Remember it."""
        del ctx, at
        if self.refuses is not None:
            raise self.refuses
        self.runs.append((brand, event, member, ref, dict(attrs)))
        return self.ran


class Counter(Contract):
    """A counter at which tickets are given out and taken back, as campaigns' effects do."""

    name = "counter"

    @call
    def enter(self, ctx: Context, draw: Slug, account: Address, count: Count) -> Count:
        """Give tickets."""
        return enter(ctx, draw, "lucky", account, count)

    @call
    def withdraw(self, ctx: Context, draw: Slug, account: Address, count: Count) -> bool:
        """Take tickets back."""
        return withdraw(ctx, draw, account, count)


def runtime_with(told: Told) -> Runtime:
    """Return the registry's contracts, with rooms that record with `told`, and the counter."""
    listed, authority = contracts()
    rooms = [*further_rooms(authority, told), Counter()]
    others = [room for room in listed if type(room) not in {type(own) for own in rooms}]
    return Runtime([*others, *rooms], authority)


def new_chain(told: Told | None = None, validators: Sequence[str] = BRANDS, watched: bool = True) -> Chain:
    """Return a chain on which each brand has a validator, and aurora a marketer."""
    ops = [op for brand in BRANDS for op in brand_ops(brand)]
    for brand in ("aurora", "basil"):
        account = account_of(f"{brand}-marketer")
        ops.append(("identity.grant_role", {"brand": brand, "role": "marketer", "account": account}))
    entries = [ValidatorEntry(key_of(brand), brand) for brand in validators]
    return Chain(ops, validators=entries, runtime=runtime_with(told or Told()), watched=watched)


def open_draw(chain: Chain, **changes: Any) -> Any:
    """Open the draw `summer`."""
    args: dict[str, Any] = {
        "draw": "summer",
        "campaign": "lucky",
        "prizes": [{"name": "A bicycle"}, {"name": "500 points", "count": 2}],
        "closes": CLOSES,
    }
    return chain.send("aurora-marketer", "campaign.draw", **{**args, **changes})


def give(chain: Chain, name: str, count: int = 1) -> None:
    """Give a person tickets of `summer`."""
    chain.send("aurora-issuer", "counter.enter", draw="summer", account=account_of(name), count=count)


def secret_of(brand: str, round_: int = 1) -> bytes:
    """Return a brand's secret of a round."""
    return sha256(f"{brand} {round_}".encode())


def commitment(brand: str, round_: int = 1) -> str:
    """Return what a brand commits to."""
    return commitment_of(CHAIN, "summer", brand, secret_of(brand, round_))


def commit(chain: Chain, *brands: str, round_: int = 1) -> Any:
    """Let brands commit; return what the last was answered."""
    answer = None
    for brand in brands:
        args = {"draw": "summer", "brand": brand, "commitment": commitment(brand, round_)}
        answer = chain.send(f"{brand}-admin", "campaign.draw_commit", **args)
    return answer


def reveal(chain: Chain, *brands: str, round_: int = 1) -> Any:
    """Let brands show their secrets; return what the last was answered."""
    answer = None
    for brand in brands:
        args = {"draw": "summer", "brand": brand, "secret": secret_of(brand, round_).hex()}
        answer = chain.send("anyone", "campaign.draw_reveal", **args)
    return answer


def blocks(chain: Chain, count: int) -> list[tuple[str, dict[str, Any]]]:
    """Let empty blocks pass; return what they told."""
    told = []
    for _ in range(count):
        chain.until(chain.time + 200)
        told += chain.events
    return told


def to_secrets(chain: Chain) -> None:
    """Let the draw `summer` close, and its block pass."""
    chain.until(CLOSES)
    blocks(chain, 3)
