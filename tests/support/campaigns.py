"""Campaigns for tests: a brand with a program, and short words for creating, recording and looking."""

from __future__ import annotations

from typing import Any

from tests.contract_harness import Chain, Op, account_of, brand_ops, credit_ops, program_args
from vm.params import Params

DAY = 86_400_000
TODAY = 1_700_006_400_000
"""15 November 2023, 0:00 UTC, a Wednesday."""

ANN, BOB, CAT = account_of("ann"), account_of("bob"), account_of("cat")


class Shop:
    """A chain with two brands; of `aurora` the program is `miles`.

    Attributes:
        told: what the last record, or reversal, told of rules.
    """

    def __init__(
        self,
        *ops: Op,
        params: Params | None = None,
        watched: bool = True,
        offsets: list[dict[str, int]] | None = None,
        **program: Any,
    ) -> None:
        base: list[Op] = [*brand_ops("aurora", offsets or []), *brand_ops("basil")]
        for brand in ("aurora", "basil"):
            for role in ("marketer", "treasurer"):
                who = account_of(f"{brand}-{role}")
                base.append(("identity.grant_role", {"brand": brand, "role": role, "account": who}))
        base.append(("token.create_program", program_args("miles", "aurora", **program)))
        base.append(("token.create_program", program_args("leaves", "basil")))
        base += credit_ops("aurora", "basil")
        self.chain = Chain([*base, *ops], params, watched=watched)
        self.told: dict[str, dict[str, Any]] = {}
        self._refs = 0
        self.chain.until(TODAY)

    def terms(self, **changes: Any) -> dict[str, Any]:
        """Return the arguments of `create`: a point per 100 of a purchase, for 100 days."""
        made = {
            "campaign": "base",
            "brand": "aurora",
            "event": "purchase",
            "when": "true",
            "then": [{"issue": {"program": "miles", "amount": "event.amount / 100"}}],
            "starts": TODAY,
            "ends": TODAY + 100 * DAY,
            "budget": {"program": "miles", "amount": 1_000_000},
            "priority": 0,
            **changes,
        }
        return {name: value for name, value in made.items() if value is not None}

    def create(self, campaign: str = "base", **changes: Any) -> Any:
        """Create a campaign."""
        return self.marketing("campaign.create", **self.terms(campaign=campaign, **changes))

    def marketing(self, call: str, **args: Any) -> Any:
        """Do something that a marketer and an issuer sign."""
        return self.chain.send("aurora-marketer", call, ["aurora-marketer", "aurora-issuer"], **args)

    def marketing_refused(self, call: str, **args: Any) -> str:
        """Return the code with which `marketing` is refused."""
        return self.chain.refused("aurora-marketer", call, ["aurora-marketer", "aurora-issuer"], **args)

    def arguments(self, amount: int | None, member: str, changes: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of `record`."""
        self._refs += 1
        attrs = {} if amount is None else {"amount": amount}
        made = {
            "brand": "aurora",
            "event": "purchase",
            "member": member,
            "ref": f"order-{self._refs}",
            "at": self.chain.time,
            "attrs": attrs,
        }
        return {**made, **changes}

    def record(self, amount: int | None = None, member: str = ANN, **changes: Any) -> list[str]:
        """Record a purchase, and return which campaigns fired."""
        result = self.chain.send("aurora-issuer", "campaign.record", **self.arguments(amount, member, changes))
        self._hear("campaign.recorded")
        fired: list[str] = result["fired"]
        return fired

    def record_refused(self, amount: int | None = None, member: str = ANN, **changes: Any) -> str:
        """Return the code with which a record is refused."""
        return self.chain.refused("aurora-issuer", "campaign.record", **self.arguments(amount, member, changes))

    def reverse(self, ref: str, return_ref: str, event: str = "purchase", **keep: Any) -> Any:
        """Let a purchase come back; with `keep`, in part."""
        args = {"brand": "aurora", "event": event, "ref": ref, "return_ref": return_ref, **keep}
        result = self.chain.send("aurora-issuer", "campaign.reverse", **args)
        self._hear("campaign.reversed")
        return result

    def _hear(self, name: str) -> None:
        (data,) = [data for kind, data in self.chain.events if kind == name]
        self.told = {line["campaign"]: line for line in data["rules"]}

    def outcome(self, campaign: str = "base") -> str:
        """Return what became of a campaign in the last record."""
        found: str = self.told[campaign]["outcome"]
        return found

    def outcomes(self) -> dict[str, str]:
        """Return what became of each campaign in the last record, in the order in which they were considered."""
        return {name: line["outcome"] for name, line in self.told.items()}

    def points(self, member: str = ANN, program: str = "miles") -> int:
        """Return how many points a member has."""
        found: int = self.chain.view("token_balance", program=program, account=member)["available"]
        return found

    def debt(self, member: str = ANN) -> int:
        """Return how many points a member owes."""
        found: int = self.chain.view("token_balance", program="miles", account=member)["debt"]
        return found

    def spent(self, campaign: str = "base") -> int:
        """Return what of a campaign's budget is used."""
        found: int = self.chain.view("campaign_campaign", campaign=campaign)["spent"]
        return found

    def profile(self, member: str = ANN) -> dict[str, Any]:
        """Return a member's counters and named values at the brand."""
        shown = self.chain.view("campaign_profile", brand="aurora", member=member)
        return {**shown["counters"], **shown["named"]}

    def preview(self, amount: int | None = None, member: str = ANN, **changes: Any) -> dict[str, dict[str, Any]]:
        """Return what a record would do, by campaign."""
        args = self.arguments(amount, member, changes)
        self._refs -= 1
        return {line["campaign"]: line for line in self.chain.view("campaign_preview", **args)["rules"]}

    def later(self, days: int) -> None:
        """Let days pass."""
        self.chain.until(self.chain.time + days * DAY)
