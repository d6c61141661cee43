"""Records of allowances leave the state once their windows are over, a bounded number per block."""

from __future__ import annotations

import msgspec
import pytest

from tests.unit.vm.toy_ledger import Reader
from vm import allowance
from vm.allowance import ALLOWANCES, BRAND_ALLOWANCES, ENDS, Allowance, BlockAllowances, Payer, forget_ended
from vm.params import Params
from vm.primitives.address import address_of_key
from vm.primitives.hashing import sha256
from vm.state_view import BlockOverlay

PARAMS = Params(window_blocks=10)


def payer(number: int) -> Payer:
    return Payer("account", address_of_key(sha256(b"%d" % number)), 1_000)


def spend(overlay: BlockOverlay, who: Payer, height: int, cost: int = 500, params: Params = PARAMS) -> None:
    BlockAllowances(overlay, params, height).spend(who, cost)


@pytest.fixture
def overlay() -> BlockOverlay:
    return BlockOverlay(Reader(PARAMS))


def test_a_brand_pays_that_has_as_much_left_as_the_sender(overlay: BlockOverlay) -> None:
    params = Params(window_blocks=10, account_cost_per_window=10_000, brand_cost_per_window=10_000)
    allowances = BlockAllowances(overlay, params, 5)
    own = allowances.payer(payer(1).name, ())
    brand = Payer("brand", "aurora", params.brand_cost_per_window)
    assert own.limit == brand.limit
    for who in (own, brand):
        allowances.spend(who, 5_000)
    assert allowances.payer(own.name, ("aurora",)) == brand
    allowances.spend(brand, 1)
    assert allowances.payer(own.name, ("aurora",)) == own


def ends(overlay: BlockOverlay) -> list[int]:
    return [height for height, _, _ in ENDS.iterate(overlay)]


@pytest.mark.parametrize("who", [payer(1), Payer("brand", "aurora", 1_000)])
def test_a_record_goes_with_its_window(overlay: BlockOverlay, who: Payer) -> None:
    table = ALLOWANCES if who.kind == "account" else BRAND_ALLOWANCES
    spend(overlay, who, 5)
    spend(overlay, who, 6)
    assert ends(overlay) == [15]
    forget_ended(overlay, PARAMS, 14)
    assert table.get(overlay, who.name) == Allowance(800, 5)
    forget_ended(overlay, PARAMS, 15)
    assert table.get(overlay, who.name) is None
    assert ends(overlay) == []


def test_a_window_that_began_since_has_an_end_of_its_own(overlay: BlockOverlay) -> None:
    spend(overlay, payer(1), 5)
    spend(overlay, payer(1), 15)  # before the block that would have looked
    assert ends(overlay) == [15, 25]
    forget_ended(overlay, PARAMS, 16)
    assert ALLOWANCES.get(overlay, payer(1).name) == Allowance(400, 15)
    assert ends(overlay) == [25]
    forget_ended(overlay, PARAMS, 25)
    assert ALLOWANCES.get(overlay, payer(1).name) is None
    assert ends(overlay) == []


@pytest.mark.parametrize(("window_blocks", "gone_at"), [(30, 35), (2, 15)])
def test_windows_may_become_longer_or_shorter_meanwhile(
    overlay: BlockOverlay, window_blocks: int, gone_at: int
) -> None:
    spend(overlay, payer(1), 5)
    changed = msgspec.structs.replace(PARAMS, window_blocks=window_blocks)
    for height in range(6, 40):
        forget_ended(overlay, changed, height)
        assert (ALLOWANCES.get(overlay, payer(1).name) is None) == (height >= gone_at)
    assert ends(overlay) == []


def test_a_block_forgets_a_bounded_number(overlay: BlockOverlay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance, "ENDED_PER_BLOCK", 3)
    for number in range(8):
        spend(overlay, payer(number), 5)
    left = []
    for height in range(15, 19):
        forget_ended(overlay, PARAMS, height)
        left.append(sum(ALLOWANCES.get(overlay, payer(number).name) is not None for number in range(8)))
    assert left == [5, 2, 0, 0]


def test_who_stays_within_the_free_share_leaves_no_entry(overlay: BlockOverlay) -> None:
    spend(overlay, payer(1), 5, cost=100)
    assert overlay.changes == {}
