"""What offences cost a peer, and when it is shut out for a while; pure, time is an input.

Each offence adds points to its sender's score, which decays steadily. A peer that reaches the threshold
is banned: dropped, and refused until the ban ends. Scores are kept by key and survive reconnecting,
so that hanging up does not wash anything off. Only permitted keys are ever scored, so the board is
bounded by the chain's node list; a bound of its own guards that assumption.

The prices: what no correct node can produce (nonsense, a frame over its limit, another chain)
reaches the threshold in two or three; what a correct node may do by bad luck (answering too late, being
fast) needs dozens within a minute or two.

Invariants:
    1. A score is never negative and falls with time only.
    2. A ban ends; nothing is remembered without end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from cachetools import FIFOCache


class Offence(Enum):
    """What a peer can do wrong."""

    MALFORMED = "malformed"
    OVERSIZED = "oversized"
    BAD_SIGNATURE = "bad_signature"
    BAD_DATA = "bad_data"
    WRONG_CHAIN = "wrong_chain"
    NOT_PERMITTED = "not_permitted"
    OUT_OF_PLACE = "out_of_place"
    UNSOLICITED = "unsolicited"
    FLOOD = "flood"


POINTS: Final[Mapping[Offence, int]] = MappingProxyType(
    {
        Offence.MALFORMED: 50,
        Offence.OVERSIZED: 50,
        Offence.BAD_SIGNATURE: 40,
        Offence.BAD_DATA: 40,
        Offence.WRONG_CHAIN: 50,
        Offence.NOT_PERMITTED: 0,
        Offence.OUT_OF_PLACE: 20,
        Offence.UNSOLICITED: 2,
        Offence.FLOOD: 5,
    }
)

MILLIPOINTS: Final = 1_000
"""Scores are kept in thousandths of a point, so that decay stays in integers."""

_MAX_ENTRIES: Final = 4_096


@dataclass(frozen=True, slots=True)
class ScoringRules:
    """How much is too much, and for how long."""

    threshold: int = 100
    decay_points_per_second: int = 1
    ban_ms: int = 60_000


@dataclass(slots=True)
class _Entry:
    millipoints: int
    updated_ms: int
    banned_until_ms: int = 0


class Scoreboard:
    """Scores and bans by key."""

    def __init__(self, rules: ScoringRules | None = None) -> None:
        self._rules = rules or ScoringRules()
        self._entries: FIFOCache[bytes, _Entry] = FIFOCache(_MAX_ENTRIES)

    def add(self, key: bytes, offence: Offence, now_ms: int) -> bool:
        """Charge an offence to a key; returns whether the key is banned now."""
        entry = self._entries.get(key) or _Entry(0, now_ms)
        # Setting an entry renews it, reading does not: the key that has behaved for longest makes room.
        self._entries[key] = entry
        self._decay(entry, now_ms)
        entry.millipoints += POINTS[offence] * MILLIPOINTS
        if entry.millipoints >= self._rules.threshold * MILLIPOINTS:
            entry.banned_until_ms = now_ms + self._rules.ban_ms
            # Half the threshold stays: who comes back from a ban has less room than a newcomer.
            entry.millipoints = self._rules.threshold * MILLIPOINTS // 2
        return now_ms < entry.banned_until_ms

    def score(self, key: bytes, now_ms: int) -> int:
        """Return the points that the key has now; 0 for a key without fault."""
        entry = self._entries.get(key)
        if entry is None:
            return 0
        self._decay(entry, now_ms)
        return entry.millipoints // MILLIPOINTS

    def is_banned(self, key: bytes, now_ms: int) -> bool:
        """Tell whether the key is shut out at this time."""
        entry = self._entries.get(key)
        return entry is not None and now_ms < entry.banned_until_ms

    def _decay(self, entry: _Entry, now_ms: int) -> None:
        elapsed_ms = max(0, now_ms - entry.updated_ms)
        entry.millipoints = max(0, entry.millipoints - elapsed_ms * self._rules.decay_points_per_second)
        entry.updated_ms = max(now_ms, entry.updated_ms)
