"""What one validator answered, and where it differs from the recomputation."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

MAX_TOLD: Final = 10

FIGURES: Final = (
    "issued",
    "refunded",
    "swapped_in",
    "redeemed",
    "burned",
    "reversed",
    "swapped_out",
    "expired",
    "outstanding",
    "held",
    "debt",
)
"""A programme's totals that are compared; the first three add up to all but the last two of the rest."""

Figures = dict[str, int]

CHECKS: Final = (
    "totals",
    "balances",
    "campaigns",
    "levels",
    "badges",
    "profiles",
    "vouchers",
    "holds",
    "treaties",
    "obligations",
    "payments",
)
"""What is compared, by kind."""


@dataclass(slots=True)
class Report:
    """One validator's answers.

    Attributes:
        height, time: the head at which it answered.
        chain, recomputed: totals by partner.
        compared, wrong: how many answers of a kind were compared, and how many of them differ.
        state_root: at the common height, hex.
        proved: whether a proof out of this validator's tree leads to that root.
        told: the first differences, in words.
    """

    brand: str
    height: int = 0
    time: int = 0
    chain: list[Figures] = field(default_factory=list)
    recomputed: list[Figures] = field(default_factory=list)
    compared: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    state_root: str = ""
    proved: bool = False
    told: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether everything that this validator answered is as recomputed."""
        return not self.wrong.total() and self.proved

    def check(self, kind: str, what: str, found: Any, wanted: Any) -> None:
        """Compare one answer."""
        self.compared[kind] += 1
        if found != wanted:
            self.wrong[kind] += 1
            self.tell(f"{what}: the chain says {found}, the data {wanted}")

    def tell(self, difference: str) -> None:
        """Keep a difference in words, if there are not too many."""
        if len(self.told) < MAX_TOLD:
            self.told.append(difference)
