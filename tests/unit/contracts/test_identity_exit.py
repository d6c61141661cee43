"""A brand leaves: it issues no more, its points are good until the end, then a custodian has its members."""

from __future__ import annotations

import pytest

from contracts_py.identity import Exits
from contracts_py.identity.exits import MAX_RUN_OFF_MS
from contracts_py.identity.hooks import BrandExit
from tests.contract_harness import Chain, account_of, brand_ops, key_of, program_args
from tests.support.agenda import items_per_block
from tests.support.persons import DAY, HASH, Listener, acts_for, ask, begin_exit, claimed, enroll, listened_to
from vm.chain_records import ValidatorEntry
from vm.errors import Refused
from vm.params import Params

BRANDS = ("aurora", "basil", "comet", "dune")


@pytest.fixture
def scene() -> tuple[Chain, Listener]:
    return listened_to(BRANDS)


@pytest.fixture
def chain(scene: tuple[Chain, Listener]) -> Chain:
    return scene[0]


def why_refused(chain: Chain, brand: str, ends: int, custodian: str) -> str:
    with pytest.raises(Refused) as caught:
        begin_exit(chain, brand, ends, custodian)
    return caught.value.code


def test_the_run_off_is_shown_and_its_end_is_told(scene: tuple[Chain, Listener]) -> None:
    chain, listener = scene
    ends = chain.time + DAY
    begin_exit(chain, "aurora", ends, "basil")
    assert chain.view("identity_brand", brand="aurora")["exit"] == {"ends": ends, "custodian": "basil"}
    assert ask(chain, "is_exiting", "aurora")
    assert not ask(chain, "has_left", "aurora")
    chain.until(ends - 1)
    assert ask(chain, "is_exiting", "aurora")
    assert listener.told == []
    chain.until(ends)
    assert not ask(chain, "is_exiting", "aurora")
    assert ask(chain, "has_left", "aurora")
    assert chain.events == [("identity.brand_exited", {"brand": "aurora", "custodian": "basil"})]
    assert listener.told == [("brand_exited", BrandExit("aurora", "basil"))]
    chain.until(ends + DAY)
    assert chain.events == []
    assert not ask(chain, "is_exiting", "basil")
    assert not ask(chain, "has_left", "basil")


def test_a_brand_that_leaves_issues_and_enrols_no_more_and_its_points_are_good(chain: Chain) -> None:
    member = enroll(chain, "aurora", "mia")
    chain.send("aurora-admin", "token.create_program", **program_args("stars", "aurora"))
    chain.send("aurora-issuer", "token.issue", program="stars", to=member, amount=9)
    begin_exit(chain, "aurora", chain.time + DAY, "basil")
    issue = {"program": "stars", "to": member, "amount": 1}
    assert chain.refused("aurora-issuer", "token.issue", **issue) == "SUSPENDED"
    enrol = {"brand": "aurora", "ref": HASH}
    assert chain.refused("aurora-issuer", "identity.enroll", **enrol) == "SUSPENDED"
    program = program_args("moons", "aurora")
    assert chain.refused("aurora-admin", "token.create_program", **program) == "SUSPENDED"
    redeem = {"program": "stars", "from_": member, "amount": 4, "at_brand": "aurora", "ref": "r"}
    chain.send("aurora-cashier", "token.redeem", **redeem)


def test_custody_passes_in_the_millisecond_of_the_end(chain: Chain) -> None:
    member, ends = enroll(chain, "aurora", "mia"), chain.time + DAY
    begin_exit(chain, "aurora", ends, "basil")
    chain.until(ends - 1)
    assert ask(chain, "custodian_of", member) == "aurora"
    assert acts_for(chain, member, "aurora-cashier")
    assert not acts_for(chain, member, "basil-cashier")
    assert "custodian" not in chain.view("identity_member", member=member)
    chain.until(ends)
    assert ask(chain, "custodian_of", member) == "basil"
    assert not acts_for(chain, member, "aurora-cashier")
    assert acts_for(chain, member, "basil-cashier")
    shown = chain.view("identity_member", member=member)
    assert (shown["brand"], shown["custodian"]) == ("aurora", "basil")
    assert ask(chain, "is_member", member, "aurora")


def test_custody_passes_whether_or_not_the_agenda_has_come_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    chain, listener = listened_to(BRANDS)
    member, ends = enroll(chain, "aurora", "mia"), chain.time + DAY
    begin_exit(chain, "aurora", ends, "basil")
    items_per_block(monkeypatch, 0)
    chain.until(ends)
    assert listener.told == []
    assert ask(chain, "custodian_of", member) == "basil"


def test_the_custodian_claims_and_looks_after_the_members(chain: Chain) -> None:
    member, own, ends = enroll(chain, "aurora", "mia"), claimed(chain, "aurora", "max"), chain.time + DAY
    begin_exit(chain, "aurora", ends, "basil")
    chain.until(ends)
    claim = {"member": member, "key": key_of("mia").hex()}
    assert chain.refused("mia", "identity.claim", ["aurora-issuer", "mia"], **claim) == "NOT_AUTHORISED"
    assert chain.refused("aurora-cashier", "identity.card_add", member=own, commitment=HASH) == "NOT_AUTHORISED"
    chain.send("basil-cashier", "identity.card_add", member=own, commitment=HASH)
    chain.send("mia", "identity.claim", ["basil-issuer", "mia"], **claim)
    assert chain.events[0][1]["brand"] == "basil"
    assert ask(chain, "custodian_of", member) is None
    assert acts_for(chain, own, "max")


def test_where_the_custodian_has_left_too_its_own_custodian_acts(scene: tuple[Chain, Listener]) -> None:
    chain, listener = scene
    member, ends = enroll(chain, "aurora", "mia"), chain.time + 2 * DAY
    begin_exit(chain, "aurora", ends, "basil")
    begin_exit(chain, "basil", ends - DAY, "comet")
    chain.until(ends - DAY)
    assert ask(chain, "custodian_of", member) == "aurora"
    chain.until(ends)
    assert ask(chain, "custodian_of", member) == "comet"
    assert listener.told[-1] == ("brand_exited", BrandExit("aurora", "comet"))


def test_an_exit_is_the_alliances_and_within_bounds(chain: Chain) -> None:
    ends = chain.time + DAY
    (exits,) = [room for room in chain.runtime.contracts if isinstance(room, Exits)]
    with pytest.raises(Refused, match="NOT_AUTHORISED"):
        exits.begin(chain.context(), "aurora", ends, "basil")
    assert why_refused(chain, "fjord", ends, "basil") == "NOT_FOUND"
    assert why_refused(chain, "aurora", ends, "fjord") == "NOT_FOUND"
    assert why_refused(chain, "aurora", ends, "aurora") == "INVALID_ARGS"
    assert why_refused(chain, "aurora", chain.time, "basil") == "EXPIRED"
    assert why_refused(chain, "aurora", chain.time + MAX_RUN_OFF_MS + 1, "basil") == "LIMIT_EXCEEDED"
    chain.suspend("dune")
    assert why_refused(chain, "aurora", ends, "dune") == "SUSPENDED"
    begin_exit(chain, "aurora", chain.time + MAX_RUN_OFF_MS, "basil")
    assert why_refused(chain, "aurora", ends, "basil") == "ALREADY_EXISTS"
    assert why_refused(chain, "comet", ends, "aurora") == "SUSPENDED"


def test_who_has_left_pays_with_no_brands_allowance(chain: Chain) -> None:
    issuer, ends = account_of("aurora-issuer"), chain.time + DAY
    begin_exit(chain, "aurora", ends, "basil")
    assert ask(chain, "brands_of", issuer) == ("aurora",)
    chain.until(ends)
    assert ask(chain, "brands_of", issuer) == ()
    assert ask(chain, "brands_of", account_of("basil-issuer")) == ("basil",)


def test_the_alliance_votes_for_an_exit() -> None:
    chain, _ = listened_to(BRANDS)
    voting = Chain(
        [op for brand in BRANDS for op in brand_ops(brand)],
        Params(),
        [ValidatorEntry(key_of(f"{brand}-validator"), brand) for brand in BRANDS],
        chain.runtime,
    )
    ends = voting.time + DAY
    actions = [{"action": "exit_brand", "brand": "dune", "ends": ends, "custodian": "basil"}]
    voting.send("aurora-admin", "gov.propose", proposal="bye", title="Goodbye", actions=actions)
    for brand in ("aurora", "basil", "comet"):
        voting.send(f"{brand}-admin", "gov.vote", proposal="bye", choice="yes")
    told = {"brand": "dune", "custodian": "basil", "ends": ends}
    assert ("identity.brand_exiting", told) in voting.events
    assert voting.view("gov_proposal", proposal="bye")["status"] == "passed"
    assert ask(voting, "is_exiting", "dune")
