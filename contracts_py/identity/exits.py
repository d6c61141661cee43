"""A brand leaves the alliance: a run-off in which its points can be spent, then a custodian for its members.

Nothing is walked and nothing is moved: from `ends` on, `Authority.brand_acting_for` names the custodian.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from contracts_py.identity.authority import Authority
from contracts_py.identity.brands import require_governance
from contracts_py.identity.events import BrandExited, BrandExiting
from contracts_py.identity.hooks import BrandExit, IdentityHooks
from contracts_py.identity.records import BRANDS, EXITS, Exit
from vm.contract_api import MS_PER_DAY, Context, Contract, Refused, due, refuse

MAX_RUN_OFF_MS: Final = 10 * 365 * MS_PER_DAY
"""Ten years: the longest that points of a rule `days` live."""


class Exits(Contract):
    """The room for brands that leave."""

    name = "identity"

    def __init__(self, authority: Authority, hooks: IdentityHooks) -> None:
        self._authority = authority
        self._hooks = hooks

    def begin(self, ctx: Context, brand: str, ends: int, custodian: str) -> None:
        """Begin a brand's run-off, by a vote of the alliance.

        Raises:
            Refused: NOT_AUTHORISED, NOT_FOUND, ALREADY_EXISTS, EXPIRED, LIMIT_EXCEEDED, INVALID_ARGS; SUSPENDED,
                the custodian is suspended or leaves itself.
        """
        require_governance(ctx, brand)
        record = BRANDS.require(ctx, brand)
        if record.exit is not None:
            raise Refused("ALREADY_EXISTS", "the brand leaves already", brand=brand, ends=record.exit.ends)
        if custodian == brand:
            refuse("custodian", "another brand than the one that leaves")
        self._authority.require_active(ctx, custodian)
        if ends <= ctx.time:
            raise Refused("EXPIRED", "the run-off would be over already", ends=ends)
        if ends > ctx.time + MAX_RUN_OFF_MS:
            raise Refused("LIMIT_EXCEEDED", "a run-off is at most ten years", limit=ctx.time + MAX_RUN_OFF_MS)
        BRANDS.put(ctx, replace(record, exit=Exit(ends, custodian)), brand)
        EXITS.put(ctx, ends, brand)
        ctx.emit(BrandExiting(brand, custodian, ends))

    @due(EXITS)
    def end(self, ctx: Context, at: int, brand: str) -> bool:
        """Tell that a run-off is over, and who is custodian: the one named, or if that has left, its own."""
        del at
        custodian = self._authority.custodian_after(ctx, brand)
        ctx.emit(BrandExited(brand, custodian))
        self._hooks.brand_exited.tell(ctx, BrandExit(brand, custodian))
        return False
