"""Each template is run against the contract as its own steps say, and stands on the page of templates."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.contract_harness import account_of
from tests.support.campaigns import DAY, TODAY, Shop
from vm.params import Params

FOLDER = Path(__file__).parents[3] / "genesis" / "templates" / "campaigns"
PAGE = Path(__file__).parents[3] / "docs" / "campaign-templates.md"
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))


def template(name: str) -> dict[str, Any]:
    text = (FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text.replace("$program", "miles"))


def made(name: str) -> dict[str, Any]:
    """Return the arguments of `create` that a template stands for."""
    found = template(name)
    args = {key: found[key] for key in ("event", "when", "then", "per_member") if key in found}
    budget = {"program": "miles", "amount": found["budget"]} if "budget" in found else None
    return {**args, "budget": budget, "ends": TODAY + 300 * DAY}


@pytest.mark.parametrize("name", NAMES)
def test_a_template_does_what_its_steps_say(name: str) -> None:
    found, shop = template(name), Shop(params=Params())
    if found.get("referrer"):
        shop.chain.send("ann", "identity.refer", member=account_of("ann"), referrer=account_of("rob"))
    if "tiers" in found:
        levels = [{"name": f"l{n}-x", "threshold": at, "benefits": []} for n, at in enumerate(found["tiers"])]
        ladder = {"brand": "aurora", "metric": "points", "levels": levels, "window_days": 30, "grace_days": 0}
        shop.chain.send("aurora-marketer", "tier.define", **ladder)
    shop.create(name, **made(name))
    for step in found["steps"]:
        shop.later(step.get("days", 0))
        member = account_of(step.get("member", "ann"))
        for _ in range(step.get("times", 1)):
            shop.record(None, member, event=found["event"], attrs=step.get("attrs", {}))
        if "points" in step:
            assert shop.points(member) == step["points"], step
        if "referrer_points" in step:
            assert shop.points(account_of("rob")) == step["referrer_points"], step
        if "vouchers" in step:
            items = shop.chain.view("campaign_vouchers", member=member)["items"]
            assert len(items) == step["vouchers"], step
        if "outcome" in step:
            assert shop.outcome(name) == step["outcome"], step


def test_there_is_a_template_for_each_case_of_the_plan() -> None:
    assert len(NAMES) >= 14


def test_the_page_shows_each_template_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in NAMES:
        found = template(name)
        assert f"## {found['title']}" in page
        assert f"templates/campaigns/{name}.toml" in page
        assert f"`{found['when']}`" in page, f"{name}: its condition is another one on the page"
