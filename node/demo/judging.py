"""The questions that a validator is asked, and what the recomputation says to the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from node.client import RpcError
from node.demo import rules
from node.demo.accounts import FOREVER
from node.demo.brand_nodes import BrandNode
from node.demo.errors import NetworkFailed
from node.demo.lots import Member
from node.demo.marketing import NAMES, NO_LEVEL, collection_of
from node.demo.operations import address_of
from node.demo.proof import Expected, Recomputed, month_of
from node.demo.reports import FIGURES, Figures, Report
from node.demo.rules import CURRENCY, LEVELS, PARTNERS, TREATIES
from node.demo.treasury import period_of

MONTHS: Final = range(rules.FIRST_SPEND_MONTH, rules.LAST_SPEND_MONTH + 1)
PAIRS: Final = tuple(combinations(range(len(PARTNERS)), 2))


@dataclass(frozen=True, slots=True)
class Shown:
    """What a validator says of one partner's members: in the order of households; and of its campaigns."""

    statuses: list[Any]
    badges: list[Any]
    profiles: list[Any]
    vouchers: list[Any]
    campaigns: list[Any]


@dataclass(frozen=True, slots=True)
class Answers:
    """What a validator answered, in the order in which it was asked: values or RpcErrors."""

    supplies: list[Any]
    balances: list[list[Any]]
    shoppers: list[Shown]
    holds: list[Any]
    treaties: list[Any]
    statements: list[Any]
    payments: list[Any]
    periods: Any


async def ask(gateway: BrandNode, expected: Recomputed) -> Answers:
    """Ask for everything that was recomputed.

    Raises:
        ClientError: the validator does not answer.
    """
    programs = [{"program": each.partner.program} for each in expected.programs]
    holds = [{"at_brand": PARTNERS[hold.at].brand, "hold": name} for name, hold in expected.holds.items()]
    months = [{"currency": CURRENCY, "period": period_of(month)} for month in MONTHS]
    pairs = [
        {**month, "brand": PARTNERS[one].brand, "other": PARTNERS[other].brand, "limit": 1}
        for month in months
        for one, other in PAIRS
    ]
    return Answers(
        await gateway.each("token_supply", programs),
        [await _balances(gateway, index, each) for index, each in enumerate(expected.programs)],
        [await _shoppers(gateway, index, each) for index, each in enumerate(expected.programs)],
        await gateway.each("token_hold", holds),
        await gateway.each("swap_treaty", [{"treaty": treaty.name} for treaty in TREATIES]),
        await gateway.each("clearing_statement", pairs),
        await gateway.each("clearing_payments", months),
        await gateway.call("clearing_periods", currency=CURRENCY),
    )


async def _balances(gateway: BrandNode, index: int, expected: Expected) -> list[Any]:
    program = expected.partner.program
    members = [Member(index, household) for household in expected.members]
    return await gateway.each(
        "token_balance", [{"program": program, "account": address_of(member)} for member in members]
    )


async def _shoppers(gateway: BrandNode, index: int, expected: Expected) -> Shown:
    brand, collection = expected.partner.brand, collection_of(index)
    members = [address_of(Member(index, household)) for household in expected.members]
    at_brand = [{"brand": brand, "member": member} for member in members]
    tokens = [{"collection": collection, "token": household} for household in expected.members]
    return Shown(
        await gateway.each("tier_status", at_brand),
        await gateway.each("nft_token", tokens),
        await gateway.each("campaign_profile", at_brand),
        await gateway.each("campaign_vouchers", [{"member": member, "limit": 1_000} for member in members]),
        await gateway.each("campaign_campaign", [{"campaign": name} for name in NAMES[index]]),
    )


def judge(report: Report, expected: Recomputed, answers: Answers) -> Report:
    """Compare all answers, and write the result into the report.

    Raises:
        NetworkFailed: the validator does not know a programme.
    """
    for each, supply, balances in zip(expected.programs, answers.supplies, answers.balances, strict=True):
        _judge_totals(report, each, supply)
        for household, answer in zip(each.members, balances, strict=True):
            _judge_balance(report, each, household, answer)
    for index, (each, shown) in enumerate(zip(expected.programs, answers.shoppers, strict=True)):
        _judge_shoppers(report, each, shown)
        for name, answer in zip(NAMES[index], shown.campaigns, strict=True):
            found = answer if isinstance(answer, RpcError) else answer["spent"]
            report.check("campaigns", f"points given by {name}", found, each.given[name])
    for (name, hold), answer in zip(expected.holds.items(), answers.holds, strict=True):
        found = answer if isinstance(answer, RpcError) else (answer["status"], answer["captured"])
        report.check("holds", name, found, (hold.status, hold.captured))
    for treaty, given, answer in zip(TREATIES, expected.treaty_given, answers.treaties, strict=True):
        found = answer if isinstance(answer, RpcError) else answer["given"]
        report.check("treaties", f"given under {treaty.name}", found, given)
    _judge_books(report, expected, answers)
    return report


def _judge_totals(report: Report, each: Expected, supply: Any) -> None:
    if isinstance(supply, RpcError):
        raise NetworkFailed(f"{report.brand} does not tell the supply of {each.partner.program}: {supply}")
    report.chain.append({name: supply[name] for name in FIGURES})
    report.recomputed.append(figures_of(each, report.time))
    for name in FIGURES:
        what = f"{each.partner.program}, {name}"
        report.check("totals", what, report.chain[-1][name], report.recomputed[-1][name])


def figures_of(expected: Expected, time: int) -> Figures:
    """Return the recomputed totals of a partner's programme at a time."""
    timed = {
        "expired": expected.expired(time),
        "outstanding": expected.outstanding(time),
        "held": 0,
        "debt": expected.debt(),
    }
    return {name: timed.get(name, expected.totals[name]) for name in FIGURES}


def _judge_balance(report: Report, expected: Expected, household: int, answer: Any) -> None:
    debt = expected.accounts[household].debt
    wanted = ({_named(last): points for last, points in expected.lots(household, report.time).items()}, debt, 0)
    found = answer
    if not isinstance(answer, RpcError):
        found = (_lots(answer["lots"]), answer["debt"], answer["held"])
    what = f"{expected.partner.program} of household {household} (lots, debt, held)"
    report.check("balances", what, found, wanted)


def _judge_shoppers(report: Report, expected: Expected, shown: Shown) -> None:
    """Compare each member's level, badge, profile and vouchers."""
    brand = expected.partner.brand
    asked = zip(
        expected.shoppers.items(), shown.statuses, shown.badges, shown.profiles, shown.vouchers, strict=True
    )
    for (household, shopper), status, badge, profile, vouchers in asked:
        whom = f"household {household} at {brand}"
        level = LEVELS[shopper.level - 1] if shopper.level else None
        found = _picked(status, "tier", "rank", "points")
        report.check("levels", f"level of {whom}", found, (level, shopper.level, shopper.metric))
        traits = badge if isinstance(badge, RpcError) else badge["traits"]
        wanted = {"level": level or NO_LEVEL, "visits": shopper.visits}
        report.check("badges", f"badge of {whom}", traits, wanted)
        counters = profile if isinstance(profile, RpcError) else _picked(profile["counters"], "purchases", "spend")
        report.check("profiles", f"purchases and cents of {whom}", counters, (shopper.purchases, shopper.spend))
        values = vouchers
        if not isinstance(vouchers, RpcError):
            values = sorted([item["value"] for item in vouchers["items"] if item["state"] == "open"])
        report.check("vouchers", f"open vouchers of {whom}", values, sorted(shopper.vouchers))


def _picked(answer: Any, *names: str) -> Any:
    return answer if isinstance(answer, RpcError) else tuple([answer[name] for name in names])


def _lots(shown: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Return lots by the month to whose end they last; one that does not end with a month stays as it is."""
    return {_last_month(lot): lot["amount"] for lot in shown}


def _last_month(lot: dict[str, Any]) -> str:
    expires: int | None = lot["expires"]
    if expires is None:
        return _named(FOREVER)
    before, after = month_of(expires - 1), month_of(expires)
    return _named(before) if after == before + 1 else str(lot["lot"])


def _named(last: int) -> str:
    """Return a month as people write it."""
    years, index = divmod(last - 1, 12)
    return "for ever" if last == FOREVER else f"{rules.YEAR + years}-{index + 1:02}"


def _judge_books(report: Report, expected: Recomputed, answers: Answers) -> None:
    """Compare what each pair of brands owes in each month, and what was paid and confirmed for it."""
    asked = [(month, one, other) for month in MONTHS for one, other in PAIRS]
    for (month, one, other), answer in zip(asked, answers.statements, strict=True):
        sums = expected.books.sums.get(month, {})
        wanted = (sums.get((one, other), 0), sums.get((other, one), 0))
        found = _owed(answer)
        what = f"{period_of(month)}, what {PARTNERS[one].brand} and {PARTNERS[other].brand} owe each other in cents"
        report.check("obligations", what, found, wanted)
    status = {item["period"]: item["status"] for item in answers.periods["items"]}
    for month, answer in zip(MONTHS, answers.payments, strict=True):
        due = {
            (PARTNERS[payer].brand, PARTNERS[payee].brand): cents
            for (payer, payee), cents in expected.books.payments(month).items()
        }
        paid = _paid(answer)
        what = f"{period_of(month)}, confirmed payments in cents, and the period's state"
        settled = status.get(period_of(month), "discharged")
        report.check("payments", what, (paid, settled), (due, "discharged"))


def _owed(answer: Any) -> Any:
    if isinstance(answer, RpcError):
        return (0, 0) if answer.reason == "NOT_FOUND" else answer
    return answer["owes"], answer["owed"]


def _paid(answer: Any) -> Any:
    if isinstance(answer, RpcError):
        return answer
    return {(item["payer"], item["payee"]): item["amount"] for item in answer["items"] if "receipt" in item}
