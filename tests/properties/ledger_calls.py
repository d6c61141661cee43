"""Which calls are made, and how often."""

from __future__ import annotations

from random import Random

from tests.properties.ledger_calls_others import ClearingCalls, IdentityCalls, SwapCalls
from tests.properties.ledger_calls_token import TokenCalls
from tests.properties.ledger_choices import Args
from tests.properties.ledger_model import Model

WEIGHTS = {
    "token.issue": 20, "token.transfer": 14, "token.burn": 3, "token.redeem": 12, "token.hold": 10,
    "token.capture": 6, "token.release": 3, "token.refund": 9, "token.allow": 3, "token.partner": 2,
    "token.reverse": 8, "token.adjust": 4, "token.extend": 3, "token.reinstate": 4, "token.freeze": 0.6,
    "token.unfreeze": 2.5, "token.liability_cap": 0.4, "token.update_program": 1.2, "swap.propose": 1.2,
    "swap.accept": 2, "swap.amend": 0.5, "swap.suspend": 0.3, "swap.resume": 0.6, "swap.terminate": 0.25,
    "swap.exchange": 9, "swap.exchange_route": 4, "clearing.set_credit_limit": 0.5, "clearing.close": 0.3,
    "clearing.confirm": 1, "clearing.unwind": 0.4, "clearing.dispute": 0.6, "clearing.resolve": 1,
    "identity.enroll": 0.3, "identity.claim": 0.2, "identity.update_brand": 0.3, "identity.link": 0.5,
    "identity.unlink": 0.3, "identity.pool_open": 0.6, "identity.pool_join": 1.2, "identity.pool_rules": 0.6,
    "identity.pool_leave": 0.5, "identity.merge": 0.3, "identity.unmerge": 0.5, "identity.erase": 0.1,
}  # fmt: skip
"""How often each call is made."""


class Calls(TokenCalls, SwapCalls, ClearingCalls, IdentityCalls):
    """Chooses calls by what the model holds."""

    def __init__(self, random: Random, model: Model) -> None:
        super().__init__(random, model)
        self._names, self._weights = list(WEIGHTS), list(WEIGHTS.values())

    def next(self) -> tuple[str, Args]:
        """Return a call with its arguments."""
        call = self._random.choices(self._names, self._weights)[0]
        args: Args = getattr(self, f"_{call.partition('.')[2]}")()
        return call, args

    def done(self, call: str, args: Args) -> None:
        """Remember the reference of a call that has succeeded."""
        if call == "token.issue" and "ref" in args:
            self._note("i", args["program"], args["ref"])
        elif call == "token.redeem":
            self._note("r", args["program"], args["at_brand"], args["ref"])
        elif call == "token.capture":
            program = self._model.get("hold", args["at_brand"], args["hold"])["program"]
            self._note("r", program, args["at_brand"], args["ref"])
        elif call == "token.hold":
            self._note("h", args["at_brand"], args["hold"])
        elif call in ("token.refund", "token.adjust"):
            self._note(args["ref"][0], args["ref"])
