"""Campaigns that run by themselves: when, for whom, once, and in bounded steps."""

from __future__ import annotations

from typing import Any

import pytest

from contracts_py.calendar import days_from_civil
from contracts_py.campaign.schedule_records import GRACE_DAYS, TURN_COMES
from contracts_py.campaign.schedules import birthday_commitment, next_anniversary
from tests.contract_harness import START, Chain, account_of, brand_ops, program_args
from vm.contract_api import MS_PER_DAY, MS_PER_HOUR
from vm.primitives.address import address_of_member

ANN = account_of("ann")
REF = "ab" * 32
MEMBER = address_of_member("aurora", bytes.fromhex(REF))
SALT = "11" * 32
DAY = MS_PER_DAY


def new_chain(**params: Any) -> Chain:
    ops = [*brand_ops("aurora"), *brand_ops("basil")]
    for brand in ("aurora", "basil"):
        account = account_of(f"{brand}-marketer")
        ops.append(("identity.grant_role", {"brand": brand, "role": "marketer", "account": account}))
    ops.append(("token.create_program", program_args("miles", "aurora", expiry={"kind": "days", "days": 30})))
    ops.append(("token.create_program", program_args("leaves", "basil")))
    ops.append(("identity.enroll", {"brand": "aurora", "ref": REF}))
    return Chain(ops, **params)


def create(chain: Chain, campaign: str, event: str, amount: int = 100) -> None:
    chain.send(
        "aurora-marketer",
        "campaign.create",
        ["aurora-marketer", "aurora-issuer"],
        campaign=campaign,
        brand="aurora",
        event=event,
        when="true",
        then=[{"issue": {"program": "miles", "amount": amount}}],
        starts=0,
        ends=START + 5_000 * DAY,
        budget={"program": "miles", "amount": 1_000_000},
    )


def schedule(chain: Chain, campaign: str, at: Any, **args: Any) -> Any:
    return chain.send("aurora-marketer", "campaign.schedule", campaign=campaign, at=at, **args)


def buy(chain: Chain, ref: str, member: str = MEMBER) -> None:
    args: dict[str, Any] = {"brand": "aurora", "event": "purchase", "member": member, "ref": ref, "at": chain.time}
    chain.send("aurora-issuer", "campaign.record", attrs={"amount": 1}, **args)


def runs(chain: Chain) -> list[tuple[str, str]]:
    """Return (event, member) of what the last block recorded."""
    return [(data["on"], data["member"]) for name, data in chain.events if name == "campaign.recorded"]


def test_silence_is_noticed_once_and_a_purchase_puts_it_off() -> None:
    chain = new_chain()
    create(chain, "back", "idle")
    schedule(chain, "back", {"idle_days": 60})
    first = chain.time
    buy(chain, "o1")
    chain.until(first + 30 * DAY)
    second = chain.time
    buy(chain, "o2")
    chain.until(first + 60 * DAY)
    assert runs(chain) == []
    chain.until(second + 60 * DAY - 1)
    assert runs(chain) == []
    chain.until(second + 60 * DAY)
    assert runs(chain) == [("idle", MEMBER)]
    chain.until(second + 500 * DAY)
    assert runs(chain) == []
    buy(chain, "o3")
    chain.until(chain.time + 60 * DAY)
    assert runs(chain) == [("idle", MEMBER)]


def test_an_anniversary_comes_every_year_on_the_local_day() -> None:
    chain = new_chain()
    create(chain, "years", "anniversary-miles")
    schedule(chain, "years", "anniversary")
    enter: dict[str, Any] = {"campaign": "years", "members": [MEMBER, MEMBER, ANN]}
    assert chain.send("aurora-marketer", "campaign.schedule_enter", **enter) == {"campaign": "years", "added": 1}
    for year in (2024, 2025):
        chain.until(days_from_civil(year, 11, 14) * DAY - 1)
        assert runs(chain) == []
        chain.until(days_from_civil(year, 11, 14) * DAY)
        assert runs(chain) == [("anniversary-miles", MEMBER)]


@pytest.mark.parametrize(
    ("enrolled", "after", "expected"),
    [
        ((2024, 2, 29), (2024, 2, 29), (2025, 3, 1)),
        ((2024, 2, 29), (2027, 3, 1), (2028, 2, 29)),
        ((2023, 11, 14), (2023, 11, 14), (2024, 11, 14)),
        ((2023, 1, 1), (2025, 12, 31), (2026, 1, 1)),
        ((2023, 12, 31), (2024, 1, 1), (2024, 12, 31)),
    ],
)
def test_anniversaries_by_the_calendar(
    enrolled: tuple[int, int, int], after: tuple[int, int, int], expected: tuple[int, int, int]
) -> None:
    begun, now = (days_from_civil(*day) * DAY + MS_PER_HOUR for day in (enrolled, after))
    assert next_anniversary((), begun, now) == days_from_civil(*expected) * DAY


def test_points_about_to_expire_are_told_day_by_day_each_once() -> None:
    chain = new_chain()
    create(chain, "hurry", "expiry", amount=1)
    schedule(chain, "hurry", {"days_before_expiry": 5}, program="miles")
    chain.send("aurora-issuer", "token.issue", program="miles", to=MEMBER, amount=10)
    chain.send("aurora-issuer", "token.issue", program="miles", to=ANN, amount=10)
    (lot,) = chain.view("token_balance", program="miles", account=MEMBER)["lots"]
    warned: list[tuple[int, list[tuple[str, str]]]] = []
    while chain.time < lot["expires"]:
        chain.until(-(-(chain.time + 1) // DAY) * DAY)
        found = runs(chain)
        if found:
            warned.append((chain.time, sorted(found)))
    expected = sorted([("expiry", MEMBER), ("expiry", ANN)])
    assert warned == [(lot["expires"] - 5 * DAY, expected)]


def test_many_lots_take_many_steps_and_none_is_left_out() -> None:
    chain = new_chain()
    for number in range(30):
        account = account_of(f"p{number}")
        chain.send("aurora-issuer", "token.issue", program="miles", to=account, amount=10)
    create(chain, "hurry", "expiry", amount=1)
    schedule(chain, "hurry", {"days_before_expiry": 366}, program="miles")
    told: list[tuple[str, str]] = []
    for _ in range(5):
        chain.until(chain.time + 200)
        told += runs(chain)
    assert sorted(member for _, member in told) == sorted(account_of(f"p{number}") for number in range(30))


def test_a_birthday_is_opened_on_its_day_or_a_week_later_once_a_year() -> None:
    chain = new_chain()
    create(chain, "cake", "birthday")
    schedule(chain, "cake", "birthday")
    commitment = birthday_commitment("aurora", MEMBER, 2, 29, SALT)
    args: dict[str, Any] = {"brand": "aurora", "member": MEMBER}
    shown = chain.send("aurora-issuer", "campaign.set_birthday", **args, commitment=commitment)
    assert chain.view("campaign_birthday", **args) == shown == {**args, "commitment": commitment}
    assert (
        chain.refused("aurora-issuer", "campaign.set_birthday", **args, commitment=commitment) == "ALREADY_EXISTS"
    )
    opened = {**args, "month": 2, "day": 29, "salt": SALT}

    def refused(**changes: Any) -> str:
        return chain.refused("aurora-issuer", "campaign.open_birthday", **{**opened, **changes})

    assert refused() == "NOT_DUE"
    chain.until(days_from_civil(2024, 2, 29) * DAY - 201)
    assert refused() == "NOT_DUE"
    chain.until(chain.time + 1)
    assert refused(day=28) == "NOT_ELIGIBLE"
    assert refused(salt="22" * 32) == "NOT_ELIGIBLE"
    assert chain.refused("aurora-cashier", "campaign.open_birthday", **opened) == "NOT_AUTHORISED"
    chain.send("aurora-issuer", "campaign.open_birthday", **opened)
    assert runs(chain) == [("birthday", MEMBER)]
    chain.until(chain.time + 3 * DAY)
    assert refused() == "DUPLICATE_REF"
    # In a year without it, it is on 1 March.
    chain.until(days_from_civil(2025, 3, 1) * DAY - 201)
    assert refused() == "NOT_DUE"
    chain.until(days_from_civil(2025, 3, 1 + GRACE_DAYS) * DAY)
    chain.send("aurora-issuer", "campaign.open_birthday", **opened)
    chain.until(days_from_civil(2026, 3, 2 + GRACE_DAYS) * DAY)
    assert refused() == "NOT_DUE"


def test_a_birthday_over_new_year_is_the_old_years() -> None:
    chain = new_chain()
    create(chain, "cake", "birthday")
    schedule(chain, "cake", "birthday")
    args: dict[str, Any] = {"brand": "aurora", "member": MEMBER}
    commitment = birthday_commitment("aurora", MEMBER, 12, 30, SALT)
    chain.send("aurora-issuer", "campaign.set_birthday", **args, commitment=commitment)
    opened = {**args, "month": 12, "day": 30, "salt": SALT}
    chain.until(days_from_civil(2023, 12, 30) * DAY)
    chain.send("aurora-issuer", "campaign.open_birthday", **opened)
    chain.until(days_from_civil(2024, 1, 3) * DAY)
    assert chain.refused("aurora-issuer", "campaign.open_birthday", **opened) == "DUPLICATE_REF"


def test_an_erased_member_has_no_birthday_and_no_turn() -> None:
    chain = new_chain()
    create(chain, "back", "idle")
    schedule(chain, "back", {"idle_days": 60})
    buy(chain, "o1")
    args: dict[str, Any] = {"brand": "aurora", "member": MEMBER}
    chain.send("aurora-issuer", "campaign.set_birthday", **args, commitment="00" * 32)
    chain.send("aurora-compliance", "identity.erase", member=MEMBER)
    opened = {**args, "month": 1, "day": 1, "salt": SALT}
    assert chain.refused("aurora-issuer", "campaign.open_birthday", **opened) == "NOT_FOUND"
    chain.until(chain.time + 61 * DAY)
    assert runs(chain) == []


def test_what_was_put_off_comes_later_and_once() -> None:
    chain = new_chain()
    create(chain, "back", "idle")
    schedule(chain, "back", {"idle_days": 2})
    buy(chain, "o1")
    chain.until(chain.time + 2 * DAY, postponing=TURN_COMES)
    assert runs(chain) == []
    chain.until(chain.time + MS_PER_HOUR)
    assert runs(chain) == [("idle", MEMBER)]


def test_what_is_no_longer_scheduled_does_not_run() -> None:
    chain = new_chain()
    create(chain, "back", "idle")
    create(chain, "hurry", "expiry")
    schedule(chain, "back", {"idle_days": 2})
    shown = schedule(chain, "hurry", {"days_before_expiry": 40}, program="miles")
    assert chain.view("campaign_schedules", brand="aurora") == shown
    assert [one["campaign"] for one in shown["schedules"]] == ["back", "hurry"]
    buy(chain, "o1")
    chain.send("aurora-issuer", "token.issue", program="miles", to=ANN, amount=10)
    for campaign in ("back", "hurry"):
        chain.send("aurora-marketer", "campaign.unschedule", campaign=campaign)
    chain.until(chain.time + 3 * DAY)
    assert runs(chain) == []
    assert chain.refused("aurora-marketer", "campaign.unschedule", campaign="back") == "NOT_FOUND"
    # Scheduled again, it takes part anew with the next record.
    schedule(chain, "back", {"idle_days": 2})
    buy(chain, "o2")
    chain.until(chain.time + 2 * DAY)
    assert runs(chain) == [("idle", MEMBER)]


def test_a_suspended_brand_runs_nothing_and_makes_nothing_up() -> None:
    chain = new_chain()
    create(chain, "back", "idle")
    schedule(chain, "back", {"idle_days": 2})
    buy(chain, "o1")
    chain.suspend("aurora")
    chain.until(chain.time + 3 * DAY)
    assert chain.events == []


def test_what_cannot_be_scheduled() -> None:
    chain = new_chain()
    for campaign, event in (("buys", "purchase"), ("cake", "birthday"), ("hurry", "expiry"), ("back", "idle")):
        create(chain, campaign, event)

    def refused(campaign: str, at: Any, who: str = "aurora-marketer", **args: Any) -> str:
        return chain.refused(who, "campaign.schedule", campaign=campaign, at=at, **args)

    assert refused("buys", "birthday") == "NOT_ELIGIBLE"
    assert refused("cake", "anniversary") == "NOT_ELIGIBLE"
    assert refused("none", "birthday") == "NOT_FOUND"
    assert refused("cake", "birthday", "aurora-issuer") == "NOT_AUTHORISED"
    assert refused("cake", "birthday", program="miles") == "INVALID_ARGS"
    assert refused("hurry", {"days_before_expiry": 5}) == "INVALID_ARGS"
    assert refused("hurry", {"days_before_expiry": 5}, program="leaves") == "NOT_AUTHORISED"
    odd: list[Any] = ["never", {}, {"idle_days": 0}, {"idle_days": 367}, {"idle_days": True}, {"days": 3}, 7]
    odd.append({"idle_days": 3, "days_before_expiry": 3})
    for at in odd:
        assert refused("back", at) == "INVALID_ARGS"
    schedule(chain, "cake", "birthday")
    assert refused("cake", "birthday") == "ALREADY_EXISTS"
    enter: dict[str, Any] = {"campaign": "cake", "members": [MEMBER]}
    assert chain.refused("aurora-marketer", "campaign.schedule_enter", **enter) == "NOT_ELIGIBLE"
    other: dict[str, Any] = {"brand": "basil", "member": MEMBER, "commitment": "00" * 32}
    assert chain.refused("basil-issuer", "campaign.set_birthday", **other) == "NOT_ELIGIBLE"
    for number in range(15):
        create(chain, f"cake-{number}", "birthday-x")
        schedule(chain, f"cake-{number}", "birthday")
    create(chain, "cake-15", "birthday")
    assert refused("cake-15", "birthday") == "LIMIT_EXCEEDED"
