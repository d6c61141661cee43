"""Draws: who opens one, how its seed comes about, who wins, and what happens where a brand does not do its part."""

from __future__ import annotations

from collections import Counter as Tally
from typing import Any

import pytest

from contracts_py.campaign import draws
from contracts_py.campaign.draw_check import problems
from contracts_py.campaign.draw_records import AWARDS, COMMIT_MS, MAX_OPEN_MS, REVEAL_MS, STEPS
from contracts_py.campaign.draw_seed import seed_of
from tests.contract_harness import CHAIN, START, Chain, account_of
from tests.support.draws import (
    BRANDS,
    CLOSES,
    Told,
    blocks,
    commit,
    commitment,
    give,
    new_chain,
    open_draw,
    reveal,
    secret_of,
    to_secrets,
)
from vm.contract_api import MS_PER_HOUR, Refused, sha256


def drawn(chain: Chain, *brands: str) -> None:
    """Let the draw go through with these brands' secrets."""
    commit(chain, *brands)
    to_secrets(chain)
    reveal(chain, *brands)
    blocks(chain, 3)


def status(chain: Chain) -> str:
    found: str = chain.view("campaign_draw", draw="summer")["status"]
    return found


def proof(chain: Chain) -> dict[str, Any]:
    found: dict[str, Any] = chain.view("campaign_draw_proof", draw="summer")
    return found


def entries(chain: Chain) -> list[tuple[str, int]]:
    items = chain.view("campaign_draw_entries", draw="summer", limit=1_000)["items"]
    return [(item["account"], item["tickets"]) for item in items]


def test_a_draw_goes_from_entries_to_prizes() -> None:
    told = Told()
    chain = new_chain(told)
    shown = open_draw(chain)
    assert (shown["status"], shown["needed"], shown["committed"]) == ("open", 2, 0)
    for number in range(8):
        give(chain, f"p{number}", 1 + number)
    give(chain, "p0", 2)
    assert commit(chain, "basil", "comet") == {
        "draw": "summer",
        "brand": "comet",
        "status": "open",
        "done": 2,
        "needed": 2,
    }
    chain.until(CLOSES)
    closed = {"draw": "summer", "brand": "aurora", "accounts": 8, "tickets": 38}
    assert chain.events == [("campaign.draw_closed", closed)]
    base = chain.height
    assert blocks(chain, 2) == []
    assert status(chain) == "sealed"
    (event,) = blocks(chain, 1)
    assert event[0] == "campaign.draw_sealed"
    assert (event[1]["height"], event[1]["digest"]) == (base + 2, chain.digest(base + 2).hex())
    assert reveal(chain, "comet")["done"] == 1
    assert reveal(chain, "basil")["status"] == "drawing"
    secrets = [(brand, secret_of(brand).hex()) for brand in ("basil", "comet")]
    seed = seed_of(CHAIN, "summer", base + 2, chain.digest(base + 2), secrets)
    assert chain.events[1] == ("campaign.draw_seeded", {"draw": "summer", "brand": "aurora", "seed": seed.hex()})
    won = blocks(chain, 3)
    assert [event for event, _ in won] == ["campaign.draw_won"] * 3 + ["campaign.draw_ended"]
    winners = chain.view("campaign_draw_winners", draw="summer")
    assert [(winner["place"], winner["prize"]) for winner in winners] == [
        (0, "A bicycle"),
        (1, "500 points"),
        (2, "500 points"),
    ]
    assert len({winner["member"] for winner in winners}) == 3
    assert told.runs == [
        (
            "aurora",
            "draw-won",
            winner["member"],
            f"draw:summer:{winner['place']}",
            {"draw": "summer", "prize": winner["prize"], "place": winner["place"]},
        )
        for winner in winners
    ]
    assert list(problems(proof(chain), entries(chain))) == []
    assert (proof(chain)["total"], proof(chain)["choosable_by"]) == (38, "all committing brands together")


def test_no_ticket_comes_or_goes_once_it_is_closed() -> None:
    chain = new_chain()
    open_draw(chain)
    give(chain, "ann", 5)
    ann = account_of("ann")
    args: dict[str, Any] = {"draw": "summer", "account": ann, "count": 3}
    assert chain.send("ann", "counter.withdraw", **args) is True
    assert entries(chain) == [(ann, 2)]
    assert chain.send("ann", "counter.withdraw", **args) is True
    assert entries(chain) == [(ann, 0)]
    give(chain, "bob", 4)
    chain.until(CLOSES - 200)
    # The block of the closing itself takes none either, before or after the agenda has come to it.
    assert chain.refused("ann", "counter.enter", **args) == "EXPIRED"
    assert chain.send("bob", "counter.withdraw", draw="summer", account=account_of("bob"), count=1) is False
    assert chain.refused("ann", "counter.enter", **args) == "EXPIRED"
    assert entries(chain) == [(ann, 0), (account_of("bob"), 4)]


def test_commitments_may_come_after_the_closing_and_the_block_comes_after_them() -> None:
    chain = new_chain()
    open_draw(chain)
    give(chain, "ann")
    commit(chain, "dune")
    chain.until(CLOSES)
    blocks(chain, 5)
    assert status(chain) == "committing"
    assert commit(chain, "aurora")["status"] == "sealed"
    base = chain.height
    told = blocks(chain, 3)
    assert [(event, data["height"]) for event, data in told] == [("campaign.draw_sealed", base + 2)]


def test_without_commitments_in_time_it_is_void() -> None:
    chain = new_chain()
    open_draw(chain)
    give(chain, "ann")
    commit(chain, "dune")
    chain.until(CLOSES)
    chain.until(CLOSES + COMMIT_MS - 1)
    assert (status(chain), chain.events) == ("committing", [])
    chain.until(CLOSES + COMMIT_MS)
    assert chain.events == [("campaign.draw_void", {"draw": "summer", "brand": "aurora", "round": 1})]
    args = {"draw": "summer", "brand": "comet", "commitment": commitment("comet")}
    assert chain.refused("comet-admin", "campaign.draw_commit", **args) == "NOT_ELIGIBLE"
    blocks(chain, 5)
    assert (status(chain), proof(chain)["numbers"]) == ("void", [])


def test_a_commitment_after_its_deadline_is_late_also_where_the_agenda_is() -> None:
    chain = new_chain()
    open_draw(chain)
    give(chain, "ann")
    chain.until(CLOSES)
    chain.until(CLOSES + COMMIT_MS, postponing=STEPS)
    args = {"draw": "summer", "brand": "comet", "commitment": commitment("comet")}
    assert chain.refused("comet-admin", "campaign.draw_commit", **args) == "NOT_ELIGIBLE"
    chain.until(CLOSES + COMMIT_MS + MS_PER_HOUR)
    assert status(chain) == "void"


def test_who_withholds_a_secret_is_struck_and_a_new_round_begins() -> None:
    chain = new_chain()
    open_draw(chain)
    give(chain, "ann")
    commit(chain, "aurora", "basil")
    to_secrets(chain)
    first = proof(chain)["entropy"]
    reveal(chain, "aurora")
    chain.until(CLOSES + 600 + REVEAL_MS)
    assert chain.events == [("campaign.draw_withheld", {"draw": "summer", "brand": "basil", "round": 1})]
    shown = chain.view("campaign_draw", draw="summer")
    assert (shown["status"], shown["round"], shown["struck"], shown["committed"]) == ("committing", 2, ["basil"], 0)
    late = {"draw": "summer", "brand": "basil", "secret": secret_of("basil").hex()}
    assert chain.refused("anyone", "campaign.draw_reveal", **late) == "NOT_DUE"
    again = {"draw": "summer", "brand": "basil", "commitment": commitment("basil", 2)}
    assert chain.refused("basil-admin", "campaign.draw_commit", **again) == "NOT_ELIGIBLE"
    commit(chain, "aurora", "comet", round_=2)
    blocks(chain, 3)
    assert proof(chain)["entropy"] != first
    reveal(chain, "aurora", "comet", round_=2)
    blocks(chain, 2)
    assert status(chain) == "done"
    assert list(problems(proof(chain), entries(chain))) == []


def test_rounds_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = new_chain()
    open_draw(chain)
    give(chain, "ann")
    monkeypatch.setattr(draws, "MAX_ROUNDS", 1)
    commit(chain, "aurora", "basil")
    to_secrets(chain)
    chain.until(chain.time + REVEAL_MS)
    assert [event for event, _ in chain.events] == ["campaign.draw_withheld"] * 2 + ["campaign.draw_void"]


def test_a_secret_that_comes_at_the_deadline_is_late() -> None:
    chain = new_chain()
    open_draw(chain)
    give(chain, "ann")
    commit(chain, "aurora", "basil")
    to_secrets(chain)
    chain.until(chain.time + REVEAL_MS, postponing=STEPS)
    args = {"draw": "summer", "brand": "aurora", "secret": secret_of("aurora").hex()}
    assert chain.refused("anyone", "campaign.draw_reveal", **args) == "NOT_DUE"


def test_what_cannot_be_committed_or_shown() -> None:
    chain = new_chain(validators=("aurora", "basil", "comet"))
    open_draw(chain)
    give(chain, "ann")

    def refused(who: str, call: str, brand: str, **args: Any) -> str:
        return chain.refused(who, f"campaign.{call}", draw="summer", brand=brand, **args)

    assert refused("basil-issuer", "draw_commit", "basil", commitment=commitment("basil")) == "NOT_AUTHORISED"
    assert refused("dune-admin", "draw_commit", "dune", commitment=commitment("dune")) == "NOT_ELIGIBLE"
    assert refused("anyone", "draw_reveal", "basil", secret="00" * 32) == "NOT_DUE"
    commit(chain, "basil")
    assert refused("basil-admin", "draw_commit", "basil", commitment=commitment("basil", 2)) == "ALREADY_EXISTS"
    # Who copies another's commitment cannot open it with the other's secret: the brand is part of it.
    chain.send("comet-admin", "campaign.draw_commit", draw="summer", brand="comet", commitment=commitment("basil"))
    to_secrets(chain)
    assert refused("anyone", "draw_reveal", "aurora", secret=secret_of("aurora").hex()) == "NOT_FOUND"
    assert refused("anyone", "draw_reveal", "basil", secret=secret_of("comet").hex()) == "NOT_ELIGIBLE"
    reveal(chain, "basil")
    assert refused("anyone", "draw_reveal", "basil", secret=secret_of("basil").hex()) == "ALREADY_EXISTS"
    assert refused("anyone", "draw_reveal", "comet", secret=secret_of("basil").hex()) == "NOT_ELIGIBLE"
    assert refused("aurora-admin", "draw_commit", "aurora", commitment=commitment("aurora")) == "NOT_ELIGIBLE"
    chain.suspend("aurora")
    assert refused("aurora-admin", "draw_commit", "aurora", commitment=commitment("aurora")) == "SUSPENDED"


def test_what_draw_cannot_be_opened() -> None:
    chain = new_chain()
    args: dict[str, Any] = {"draw": "summer", "campaign": "lucky", "prizes": [{"name": "x"}], "closes": CLOSES}

    def refused(who: str = "aurora-marketer", **changes: Any) -> str:
        return chain.refused(who, "campaign.draw", **{**args, **changes})

    assert refused("aurora-admin") == "NOT_AUTHORISED"
    assert refused(campaign="other") == "NOT_FOUND"
    assert refused(draw="basil-draw") == "NOT_AUTHORISED"
    assert refused(closes=START) == "EXPIRED"
    assert refused(closes=START + 2 * MAX_OPEN_MS) == "LIMIT_EXCEEDED"
    assert refused(prizes=[]) == "INVALID_ARGS"
    assert refused(prizes=[{"name": "x", "count": 600}, {"name": "y", "count": 401}]) == "LIMIT_EXCEEDED"
    assert refused(commits=5) == "INVALID_ARGS"
    open_draw(chain)
    assert refused() == "ALREADY_EXISTS"
    assert [draw["draw"] for draw in chain.view("campaign_draws", brand="aurora")["items"]] == ["summer"]
    chain.suspend("aurora")
    assert refused(draw="winter") == "SUSPENDED"


def test_without_commitments_the_digest_alone_decides_and_the_proof_says_so() -> None:
    chain = new_chain()
    assert open_draw(chain, commits=0)["needed"] == 0
    give(chain, "ann")
    chain.until(CLOSES)
    base = chain.height
    told = [event for event, _ in blocks(chain, 5)]
    assert told == ["campaign.draw_sealed", "campaign.draw_seeded", "campaign.draw_won", "campaign.draw_ended"]
    assert proof(chain)["choosable_by"] == "one proposer"
    assert proof(chain)["seed"] == seed_of(CHAIN, "summer", base + 2, chain.digest(base + 2), []).hex()
    assert list(problems(proof(chain), entries(chain))) == []


def test_a_commitment_that_is_not_needed_counts_all_the_same() -> None:
    chain = new_chain()
    open_draw(chain, commits=0)
    give(chain, "ann")
    commit(chain, "dune")
    to_secrets(chain)
    assert status(chain) == "revealing"
    assert reveal(chain, "dune")["status"] == "drawing"


def test_without_entries_it_ends_and_with_few_the_rest_lapses() -> None:
    chain = new_chain()
    open_draw(chain)
    chain.until(CLOSES)
    assert chain.events[1] == (
        "campaign.draw_ended",
        {"draw": "summer", "brand": "aurora", "won": 0, "lapsed": 3},
    )
    chain = new_chain()
    open_draw(chain)
    give(chain, "ann", 9)
    drawn(chain, *BRANDS)
    ended = chain.view("campaign_draw", draw="summer")
    assert (ended["status"], ended["won"], ended["tickets"], ended["accounts"]) == ("done", 1, 0, 1)


def test_a_shopper_wins_once_also_under_linked_addresses_unless_tickets_win() -> None:
    chain = new_chain()
    chain.send("ann", "identity.link", signers=["ann", "bob"], member=account_of("ann"), other=account_of("bob"))
    open_draw(chain)
    give(chain, "ann", 100)
    give(chain, "bob", 100)
    give(chain, "eve", 1)
    drawn(chain, "basil", "comet")
    winners = [winner["member"] for winner in chain.view("campaign_draw_winners", draw="summer")]
    assert len(winners) == 2
    assert account_of("eve") in winners
    passed = [number for number in proof(chain)["numbers"] if "reason" in number]
    assert [number["reason"] for number in passed] == ["linked"]
    assert list(problems(proof(chain), entries(chain))) == []


def test_by_tickets_one_may_win_several_times_but_no_ticket_twice() -> None:
    chain = new_chain()
    open_draw(chain, once=False)
    give(chain, "ann", 2)
    drawn(chain, "basil", "comet")
    shown = chain.view("campaign_draw", draw="summer")
    assert (shown["won"], shown["tickets"]) == (2, 0)
    assert list(problems(proof(chain), entries(chain))) == []


def test_who_was_erased_is_passed_over_and_who_was_merged_wins_where_he_is_now() -> None:
    chain = new_chain()
    refs = {name: name.encode().ljust(32, b"\0").hex() for name in ("gone", "old", "new")}
    members = {
        name: chain.send("aurora-issuer", "identity.enroll", brand="aurora", ref=ref) for name, ref in refs.items()
    }
    open_draw(chain)
    for name in ("gone", "old"):
        chain.send("aurora-issuer", "counter.enter", draw="summer", account=members[name], count=5)
    chain.send("aurora-issuer", "identity.merge", from_=members["old"], into=members["new"], reason="same")
    chain.send("aurora-compliance", "identity.erase", member=members["gone"])
    drawn(chain, "basil", "comet")
    winners = [winner["member"] for winner in chain.view("campaign_draw_winners", draw="summer")]
    assert winners == [members["new"]]
    assert [number.get("reason") for number in proof(chain)["numbers"] if "reason" in number] == ["erased"]
    assert list(problems(proof(chain), entries(chain))) == []


def test_a_prize_that_cannot_be_given_is_tried_again_and_holds_up_nothing() -> None:
    told = Told()
    told.refuses = Refused("SUSPENDED", "not now")
    chain = new_chain(told)
    open_draw(chain)
    for number in range(5):
        give(chain, f"p{number}")
    commit(chain, "basil", "comet")
    to_secrets(chain)
    reveal(chain, "basil", "comet")
    events = [event for event, _ in blocks(chain, 3)]
    assert events.count("chain.postponed") == 3
    assert status(chain) == "done"
    told.refuses = None
    chain.until(chain.time + MS_PER_HOUR)
    assert sorted(run[3] for run in told.runs) == [f"draw:summer:{place}" for place in range(3)]


def test_what_was_put_off_goes_on_and_does_nothing_twice() -> None:
    chain = new_chain()
    open_draw(chain)
    give(chain, "ann")
    commit(chain, "basil", "comet")
    chain.until(CLOSES, postponing=STEPS)
    assert status(chain) == "open"
    assert chain.refused("ann", "counter.enter", draw="summer", account=account_of("ann"), count=1) == "EXPIRED"
    chain.until(CLOSES + MS_PER_HOUR)
    assert status(chain) == "sealed"
    base = chain.height
    blocks(chain, 2)
    chain.until(chain.time + 200, postponing=STEPS)
    assert status(chain) == "sealed"
    chain.until(chain.time + MS_PER_HOUR)
    # The digest is that of the block before the one that takes it: a later one than without the delay.
    assert proof(chain)["entropy"]["height"] == base + 3
    reveal(chain, "basil", "comet")
    blocks(chain, 2)
    assert (status(chain), len(proof(chain)["numbers"])) == ("done", 1)


def test_many_winners_take_many_steps() -> None:
    told = Told()
    chain = new_chain(told, watched=False)
    open_draw(chain, prizes=[{"name": "a pen", "count": 300}])
    for number in range(400):
        give(chain, f"p{number}", 1 + number % 7)
    drawn(chain, "basil", "comet")
    blocks(chain, 10)
    assert len({run[2] for run in told.runs}) == 300
    assert list(problems(proof(chain), entries(chain))) == []
    assert STEPS.is_due(chain.state, chain.time, "summer") is False
    assert AWARDS.is_due(chain.state, chain.time, "summer", 0) is False


def test_whoever_changes_a_proof_is_found_out() -> None:
    chain = new_chain()
    open_draw(chain)
    for number in range(20):
        give(chain, f"p{number}", 1 + number)
    drawn(chain, "basil", "comet")
    told, rows = proof(chain), entries(chain)
    assert list(problems(told, rows)) == []
    other = next(account for account, _ in rows if account != told["numbers"][0]["account"])

    def wrong(**changes: Any) -> list[str]:
        return list(problems({**told, **changes}, rows))

    first, second = told["witnesses"]
    assert "follow" in wrong(entropy={**told["entropy"], "digest": "00" * 32})[0]
    assert "another secret" in wrong(witnesses=[{**first, "secret": "00" * 32}, second])[0]
    assert "has not shown" in wrong(witnesses=[{**first, "secret": None}, second])[0]
    assert "no block" in wrong(entropy=None)[0]
    assert "follow" in wrong(seed="00" * 32)[0]
    numbers = told["numbers"]
    assert wrong(numbers=[{**numbers[0], "account": other}, *numbers[1:]])
    assert wrong(numbers=[{**numbers[0], "taken": 0}, *numbers[1:]])
    assert wrong(numbers=numbers[:-1])
    assert wrong(numbers=[{**numbers[0], "prize": "500 points"}, *numbers[1:]])
    assert list(problems(told, rows[1:]))
    assert list(problems(told, rows[::-1]))
    twice = [numbers[0], {**numbers[1], "winner": numbers[0]["winner"]}, *numbers[2:]]
    assert any("twice" in problem for problem in wrong(numbers=twice))


def test_each_ticket_is_as_likely_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = new_chain(watched=False)
    open_draw(chain, prizes=[{"name": "x"}], commits=0)
    for number, count in enumerate((1, 2, 5)):
        give(chain, f"p{number}", count)
    chain.until(CLOSES)
    won: Tally[str] = Tally()
    for variant in range(400):
        fork = chain.fork()
        monkeypatch.setattr(fork, "digest", lambda height, v=variant: sha256(b"%d %d" % (height, v)))
        blocks(fork, 5)
        won[fork.view("campaign_draw_winners", draw="summer")[0]["member"]] += 1
    shares = [won[account_of(f"p{number}")] for number in range(3)]
    # 50, 100 and 250 expected, of standard deviations 7, 9 and 10.
    assert all(abs(found - expected) < 40 for found, expected in zip(shares, (50, 100, 250), strict=True))
