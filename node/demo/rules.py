"""The rules of the demo, in one place: who the partners are, what earns points, who spends them and when.

Only figures and names stand here. `plan` (what is sent to the chain) and `proof` (what must have come of it)
each work out the consequences by code of their own, so that a slip in one shows as a difference. The same
rules are told in words in docs/demo.md.

Invariants that make the outcome independent of when, within a few days, a transaction is executed:
    1. Points expire at the first instant of a month only, and `issue` names that date.
    2. Spending happens in three steps on SPEND_DAYS of a month, each after the one before it is final, and
       spends only what was earned before that month. Its transactions expire with the month.
    3. Within a step an account is debited at most once, and a gift's receiver is never a giver.
"""

from __future__ import annotations

from typing import Final

import msgspec

YEAR: Final = 2017
"""The year that the data set covers, by the till's clock; read as UTC here, it ends on 1 January 2018."""

FIRST_SPEND_MONTH: Final = 2
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
    """

    brand: str
    title: str
    departments: frozenset[str]
    program: str
    unit_cents: int
    points_per_unit: int
    lasting_months: int | None


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
    Partner("aurora", "Food", GROCERY_DEPARTMENTS, "aurora-points", 100, 1, 3),
    Partner("basil", "Fuel", frozenset({"FUEL"}), "basil-miles", 500, 5, 2),
    Partner("comet", "Drugs", frozenset({"DRUG GM"}), "comet-care", 200, 5, 6),
    Partner("dune", "All else", frozenset(), "dune-coins", 100, 2, None),
)
REST: Final = 3
"""The partner that takes every department not named above, and products of no known department."""

GIFT_DAY: Final = 2
GIFT_CYCLE: Final = 5
"""A member gives in a month m when household mod 5 = m mod 5, to the next member for whom that is not so."""
GIFT_MINIMUM: Final = 20
GIFT_SHARE: Final = 4
"""A gift is one quarter of what the giver has, rounded down."""

REDEEM_DAY: Final = 5
REDEEM_CYCLE: Final = 3
REDEEM_STEP: Final = 50
"""Points are redeemed for vouchers of 50, as many as the member can have."""

DONATE_DAY: Final = 8
DONATE_CYCLE: Final = 7
DONATE_MINIMUM: Final = 10
DONATE_SHARE: Final = 10
"""A donation, one tenth of what the member has, rounded down, is burned."""
