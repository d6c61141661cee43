"""Whatever is recorded, returned, spent and linked, campaigns come to what a naive twin adds up."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract_harness import account_of
from tests.properties.naive_campaigns import NaiveCampaigns, NaiveRule, Step
from tests.support.campaigns import DAY, TODAY, Shop

NAMES = ("ann", "bob", "eve")
ADDRESSES = {name: account_of(name) for name in NAMES}


def issue(amount: str | int) -> dict[str, Any]:
    return {"issue": {"program": "miles", "amount": amount}}


CAMPAIGNS: list[dict[str, Any]] = [
    {"campaign": "base", "priority": 9, "then": [issue("event.amount / 100")], "budget": 60},
    {"campaign": "rich", "priority": 7, "when": "balance.miles >= 20 && event.amount >= 500", "then": [issue(5)]},
    {
        "campaign": "often",
        "priority": 5,
        "group": "presents",
        "when": "member.profile.purchases_7d >= 2",
        "then": [issue("member.profile.spend_7d / 1000 + 1")],
        "per_member": {"count": 2, "window_days": 3},
    },
    {
        "campaign": "first",
        "priority": 3,
        "group": "presents",
        "when": "member.profile.purchases == 0 && event.amount >= 200",
        "then": [issue(8), {"voucher": {"kind": "tea", "value": 1, "expires_days": 3_000}}],
        "per_member": {"count": 1},
        "budget": 16,
    },
]


def naive() -> NaiveCampaigns:
    return NaiveCampaigns(
        [
            NaiveRule("base", lambda amount, _: amount // 100, 60),
            NaiveRule("rich", lambda amount, facts: 5 if facts["balance"] >= 20 and amount >= 500 else None, 10**6),
            NaiveRule(
                "often",
                lambda _, facts: facts["spend_7d"] // 1000 + 1 if facts["purchases_7d"] >= 2 else None,
                10**6,
                (2, 3),
                "presents",
            ),
            NaiveRule(
                "first",
                lambda amount, facts: 8 if not facts["purchases"] and amount >= 200 else None,
                16,
                (1, None),
                "presents",
                voucher=True,
            ),
        ]
    )


member = st.sampled_from(NAMES)
number = st.integers(0, 11)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("record"), member, st.integers(0, 2_500), st.sampled_from([0, 0, 0, 1, 2, 3, 6, 8])),
        st.tuples(st.just("record"), member, st.integers(100, 900), st.just(0)),
        st.tuples(st.just("reverse"), number, st.none() | st.integers(0, 2_000)),
        st.tuples(st.just("burn"), member, st.integers(1, 30)),
        st.tuples(st.just("wait"), st.sampled_from([1, 1, 2, 3, 7])),
        st.tuples(st.just("link"), st.sampled_from([("ann", "bob"), ("bob", "eve")])),
        st.tuples(st.just("redeem"), number),
    ),
    min_size=4,
    max_size=22,
)


class Twins:
    """The contract and its twin, to which the same happens."""

    def __init__(self) -> None:
        self.shop = Shop()
        for terms in CAMPAIGNS:
            budget = {"program": "miles", "amount": terms.get("budget", 10**6)}
            self.shop.create(**{**terms, "budget": budget, "starts": TODAY - 20 * DAY})
        self.shop.later(10)
        self.twin = naive()
        self.vouchers: dict[int, str] = {}
        self.returned: set[int] = set()

    def do(self, step: Step) -> None:
        """Let a step happen to both."""
        getattr(self, f"_{step[0]}")(*step[1:])
        self.compare()

    def _record(self, who: str, amount: int, back: int) -> None:
        at = self.shop.chain.time - back * DAY
        ref = f"o{len(self.twin.records)}"
        seen = self.shop.preview(amount, ADDRESSES[who], at=at, ref=ref)
        fired = self.shop.record(amount, ADDRESSES[who], at=at, ref=ref)
        assert fired == self.twin.record(who, amount, at // DAY)
        assert [name for name, line in seen.items() if line["outcome"] == "FIRED"] == fired
        for gift in self.shop.told["first"].get("gave", ()):
            if "voucher" in gift:
                self.vouchers[len(self.twin.records) - 1] = gift["voucher"]

    def _reverse(self, number: int, keep: int | None) -> None:
        if number >= len(self.twin.records) or not self.twin.records[number].whole:
            return
        kept: dict[str, Any] = {}
        if keep is not None:
            kept = {"keep": {"amount": min(keep, self.twin.records[number].amount)}}
        self.shop.chain.until(self.shop.chain.time + 1)
        return_ref = f"r{self.shop.chain.height}"
        answer = self.shop.reverse(f"o{number}", return_ref, **kept)
        assert answer["fired"] == self.twin.reverse(number, keep)

    def _burn(self, who: str, amount: int) -> None:
        if self.twin.net(who) >= amount:
            self.twin.burn(who, amount)
            self.shop.chain.send(who, "token.burn", program="miles", amount=amount)

    def _wait(self, days: int) -> None:
        self.shop.later(days)

    def _link(self, pair: tuple[str, str]) -> None:
        if pair[1] not in self.twin.person(pair[0]):
            one, other = pair
            self.shop.chain.send(one, "identity.link", [*pair], member=ADDRESSES[one], other=ADDRESSES[other])
            self.twin.link(one, other)

    def _redeem(self, number: int) -> None:
        if number in self.twin.open_vouchers:
            voucher = self.vouchers[number]
            self.shop.chain.send("aurora-cashier", "campaign.redeem_voucher", voucher=voucher, ref=f"till-{number}")
            self.twin.redeem(number)

    def compare(self) -> None:
        """Compare all that can be seen."""
        shop, today = self.shop, self.shop.chain.time // DAY
        for who, address in ADDRESSES.items():
            net = self.twin.net(who)
            assert (shop.points(address), shop.debt(address)) == (max(0, net), max(0, -net)), who
            profile = shop.profile(address)
            assert {name: profile[name] for name in self.twin.profile(who, today)} == self.twin.profile(who, today)
            items = shop.chain.view("campaign_vouchers", member=address)["items"]
            states = {item["voucher"]: item["state"] for item in items}
            mine = {n for n in self.vouchers if self.twin.records[n].member == who}
            expected = {self.vouchers[n]: "open" for n in mine & self.twin.open_vouchers}
            assert states == expected | {self.vouchers[n]: "used" for n in mine & self.twin.used_vouchers}
        for terms in CAMPAIGNS:
            assert shop.spent(terms["campaign"]) == self.twin.spent(terms["campaign"])


@settings(max_examples=40, deadline=None)
@given(steps=steps)
def test_campaigns_come_to_what_the_twin_adds_up(steps: list[Step]) -> None:
    twins = Twins()
    for step in steps:
        twins.do(step)


def test_the_steps_that_matter_come_about() -> None:
    """A purchase below and above limits, a part that comes back after its points are gone, a late record."""
    twins = Twins()
    for step in (
        ("record", "ann", 900, 0),
        ("record", "ann", 400, 3),
        ("link", ("ann", "bob")),
        ("record", "ann", 2_000, 0),
        ("burn", "ann", 30),
        ("record", "bob", 300, 0),
        ("record", "ann", 800, 1),
        ("redeem", 0),
        ("reverse", 0, 100),
        ("reverse", 2, 700),
        ("wait", 7),
        ("record", "eve", 250, 8),
        ("reverse", 5, None),
        ("record", "eve", 250, 0),
        ("reverse", 0, None),
    ):
        twins.do(step)
    assert twins.twin.spent("often") > 0
    assert twins.twin.used_vouchers == {0}
