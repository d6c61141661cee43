"""What an import or export knows of the program it is for, as of one height."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from contracts_py.calendar import Offsets
from node.client import RpcError
from node.moving.chain import Chain, read
from node.moving.errors import MovingError
from vm.primitives.units import MAX_INT


@dataclass(frozen=True, slots=True)
class Supply:
    """A program's counters (`token_supply`) after a height."""

    height: int
    counters: dict[str, int]

    @property
    def credited(self) -> int:
        """All that has ever come in; the chain keeps it within 2^53 − 1."""
        counters = self.counters
        return counters["issued"] + counters["swapped_in"] + counters["refunded"]


@dataclass(frozen=True, slots=True)
class Programme:
    """A program, its brand, and the chain it is on."""

    chain: str
    program: str
    brand: str
    offsets: Offsets
    expiry: str
    cap: int | None
    now_ms: int
    max_tx_cost: int
    supply: Supply

    def problem_with(self, points: int) -> str | None:
        """Say why so many points cannot be added; None where they can."""
        outstanding = self.supply.counters["outstanding"]
        if self.cap is not None and outstanding + points > self.cap:
            full = f"the program's cap of {self.cap:,}, of which {outstanding:,} are outstanding"
            return f"{points:,} points do not fit below {full}"
        if self.supply.credited + points > MAX_INT:
            return f"{points:,} points are more than the program's counters can hold"
        return None


async def programme_of(chain: Chain, program: str) -> Programme:
    """Return a program.

    Raises:
        MovingError: there is none, its brand issues nothing now, or the node refuses to tell.
    """
    try:
        info = await read(chain, "node_info", {})
        supply = await supply_of(chain, program)
        shown = await read(chain, "token_program", {"program": program})
        brand = await read(chain, "identity_brand", {"brand": shown["brand"]})
        params = await read(chain, "gov_params", {})
    except RpcError as error:
        raise MovingError(f"the program {program}: {error.message} ({error.reason})") from None
    return Programme(
        chain=info["chain"],
        program=program,
        brand=shown["brand"],
        offsets=msgspec.convert(brand["offsets"], Offsets),
        expiry=shown["expiry"]["kind"],
        cap=shown.get("cap"),
        now_ms=max(info["clock"], info["time"]),
        max_tx_cost=params["max_tx_cost"],
        supply=supply,
    )


async def supply_of(chain: Chain, program: str, height: int | None = None) -> Supply:
    """Return a program's supply, and the height that it is of (default: the head).

    Raises:
        RpcError: there is no such program, or the node has no such state.
    """
    answer = await view_at(chain, "token_supply", {"program": program}, height)
    return Supply(answer["height"], answer["result"])


async def view_at(chain: Chain, view: str, args: dict[str, Any], height: int | None) -> Any:
    """Return what a view answers of a height: {height, time, result}; raises as `read`."""
    params: dict[str, Any] = {"view": view, "args": args}
    return await read(chain, "state_view", params if height is None else params | {"height": height})


async def require_issuer(chain: Chain, brand: str, accounts: list[str]) -> None:
    """Refuse unless one of the accounts is an issuer of the brand.

    Raises:
        MovingError: none is.
    """
    for account in accounts:
        shown = await read(chain, "identity_account", {"account": account})
        if "issuer" in shown["roles"].get(brand, ()):
            return
    raise MovingError(f"{' and '.join(accounts)} is no issuer of {brand}; sign with a key that has this role")
