"""The rules of the demo, in one place: who the partners are, what earns points, who spends them, where and when.

Only figures and names stand here. `plan` (what is sent to the chain) and `proof` (what must have come of it)
each work out the consequences by code of their own, so that a slip in one shows as a difference. The same
rules are told in words in docs/demo.md.

Invariants that make the outcome independent of when, within a few days, a transaction is executed:
    1. Points expire at the first instant of a month only, by whatever way they came.
    2. In a month an account does one thing, decided by what it had at the month's start: so no two accounts'
       deeds meet, but where points only come in. Its transactions expire with the month.
    3. What follows on a deed (capture, release, refund) is sent in a later phase, once the deed is final.
    4. Points come back, from a hold that lapses or a refund, only where none of the account's end with the month:
       so they keep their dates, and get no extension, which would depend on the minute.
    5. An account that owes points gets no points but by purchases, whose dates are the latest there are.
    6. No treaty leads into a programme without expiry, where a purchase's points merge with older ones.
    7. A rule that asks what a member has done before stands only where nothing comes back: else it would matter
       whether a return was seen to before or after a purchase of the same days.
"""

from __future__ import annotations

from typing import Final

import msgspec

YEAR: Final = 2017
"""The year that the data set covers, by the till's clock; read as UTC here, it ends on 1 January 2018."""

FIRST_SPEND_MONTH: Final = 2
"""No earlier, since points that are refunded in January might have less than 30 days left at the end of March."""
LAST_SPEND_MONTH: Final = 12


class Partner(msgspec.Struct, frozen=True):
    """A brand of the alliance, and its programme.

    Attributes:
        brand: its slug, that of a default testnet's validator.
        title: what it sells, for people.
        departments: the shop's departments that it runs; none means all that nobody else runs.
        program: its programme's slug.
        unit_cents: a whole unit of spend.
        points_per_unit: what a whole unit earns.
        lasting_months: points last to the end of this many months after the month of purchase; None: for ever.
        price: what it owes another brand for its points: so many cents for so many points. VOUCHER points come to
            whole cents, so that no redemption leaves a fraction.
        door: the partner at which its points are redeemed too.
        takes_back: whether goods can be returned.
    """

    brand: str
    title: str
    departments: frozenset[str]
    program: str
    unit_cents: int
    points_per_unit: int
    lasting_months: int | None
    price: tuple[int, int]
    door: int
    takes_back: bool = True


GROCERY_DEPARTMENTS: Final = frozenset(
    {
        "CHEF SHOPPE",
        "DELI",
        "FROZEN GROCERY",
        "GROCERY",
        "MEAT",
        "MEAT-PCKGD",
        "NUTRITION",
        "PASTRY",
        "PROD-WHS SALES",
        "PRODUCE",
        "SALAD BAR",
        "SEAFOOD",
        "SEAFOOD-PCKGD",
    }
)

PARTNERS: Final = (
    Partner("aurora", "Food", GROCERY_DEPARTMENTS, "aurora-points", 100, 1, 3, price=(1, 1), door=1),
    Partner("basil", "Fuel", frozenset({"FUEL"}), "basil-miles", 500, 5, 2, (1, 1), door=0, takes_back=False),
    Partner("comet", "Drugs", frozenset({"DRUG GM"}), "comet-care", 200, 5, 6, price=(2, 5), door=0),
    Partner("dune", "All else", frozenset(), "dune-coins", 100, 2, None, (1, 2), door=2, takes_back=False),
)
REST: Final = 3
"""The partner that takes every department not named above, and products of no known department."""

CURRENCY: Final = "USD"
CREDIT_LIMIT_CENTS: Final = 5_000_000
"""How much each brand lets each other one owe it."""

DOOR_MEMBER_DAY: Final = 300
"""Points that a member may redeem at another brand on a day."""


FRESH: Final = "PRODUCE"
"""The department whose whole dollars earn a second point each at FOOD;"""
WEEKEND_UNIT_CENTS: Final = 200
"""on Saturdays and Sundays a point more for so much;"""
BIG_BASKET_CENTS: Final = 10_000
BIG_BASKET_VOUCHER: Final = 500
"""and a voucher, in cents, for a basket from so much on."""

TENTH: Final = 10
TENTH_POINTS: Final = 25
"""At FUEL every tenth purchase earns so many more; and each whole unit as many more as the member's level."""

CARE_CENTS: Final = 5_000
CARE_VOUCHER: Final = 300
"""At DRUGS a voucher for a basket from so much on."""

WELCOME_VOUCHER: Final = 200
WEEKLY_CENTS: Final = 1_000
WEEKLY_POINTS: Final = 10
WEEK_DAYS: Final = 7
"""At ALL ELSE a voucher for the first purchase; and once in seven days so many points more from so much on."""

FOOD, FUEL, DRUGS, ALL_ELSE = range(4)

VOUCHER_DAYS: Final = 500
"""A voucher of the demo outlasts the year, so that no count of them depends on the minute."""

LEVELS: Final = ("bronze", "silver", "gold")
TIER_WINDOW_DAYS: Final = 400
"""Longer than the year: a level depends on what was bought, not on when one asks."""


class Ladder(msgspec.Struct, frozen=True):
    """How a partner's levels are reached: `metric` as in the contract `tier`; a threshold for each of LEVELS."""

    metric: str
    thresholds: tuple[int, int, int]


LADDERS: Final = (
    Ladder("spend", (50_000, 200_000, 400_000)),
    Ladder("points", (50, 150, 300)),
    Ladder("visits", (10, 25, 50)),
    Ladder("events", (5, 10, 20)),
)
"""By cents, by whole dollars (a campaign's tier points), by days with a purchase, by purchases."""

BADGE_VISITS: Final = 25
"""A badge counts purchases up to so many."""


class Treaty(msgspec.Struct, frozen=True):
    """Points of one partner's programme become another's: `rate` to-points for so many from-points, less the fee.

    Attributes:
        member_day: from-points that an account may exchange on a day.
        inventory: to-points that it gives in its life.
    """

    name: str
    source: int
    target: int
    rate: tuple[int, int]
    fee_bps: int
    member_day: int
    inventory: int


TREATIES: Final = (
    Treaty("food-to-fuel", 0, 1, (19, 20), 100, member_day=250, inventory=4_000),
    Treaty("fuel-to-drugs", 1, 2, (5, 2), 250, member_day=100, inventory=6_000),
    Treaty("drugs-to-food", 2, 0, (2, 5), 100, member_day=500, inventory=4_000),
    Treaty("coins-to-food", 3, 0, (1, 2), 200, member_day=300, inventory=1_500),
)
"""Along no cycle do points become more: food, fuel, drugs and back make 0.9 of what they were."""

PHASE_DAYS: Final = (2, 6, 10)
"""From which day of a month on its phases happen: deeds; captures and releases; refunds."""

TURNS: Final = 8
"""In a month m a household's turn is (household + m) mod TURNS; what each one does:"""
GIVES, REDEEMS, HOLDS, REDEEMS_ABROAD, HOLDS_ABROAD, EXCHANGES, DONATES, RESTS = range(TURNS)

GIFT_MINIMUM: Final = 20
GIFT_SHARE: Final = 4
"""A gift is one quarter of what the giver has, rounded down, for the next member that rests."""

VOUCHER: Final = 50
"""Points are redeemed for vouchers of 50, as many as the member can have."""

ENDINGS: Final = ("in full", "in part", "released", "lapsed")
"""A hold made in month m ends so, at (household // TURNS + m) mod 4; in part is half the vouchers."""

REFUND_CYCLE: Final = 3
"""One voucher of a redemption in month m is refunded where (household // 32 + m) mod REFUND_CYCLE = 0."""

EXCHANGE_SHARE: Final = 2
"""A household exchanges half of what it has, under the treaty at (household // TURNS + m) mod their number."""

DONATE_MINIMUM: Final = 10
DONATE_SHARE: Final = 10
"""A donation, one tenth of what the member has, rounded down, is burned."""

RETURN_CYCLE: Final = 20
"""The dearest item of a basket comes back where basket mod RETURN_CYCLE = 0;"""
RETURN_WHOLE_CYCLE: Final = 3
"""where also basket // RETURN_CYCLE mod this = 0, all that was bought with it at the same brand;"""
RETURN_DAYS: Final = (2, 28)
"""and it does so 2 + (basket // RETURN_CYCLE) mod 28 days later; the desk sees to it in the month that follows."""

MAX_HOLD_DAYS: Final = 31
"""A hold of the demo ends with its month."""

MAX_BACKDATE_DAYS: Final = 366
"""A purchase may be recorded so late: on a busy machine days of the chain's clock pass before it is final."""
