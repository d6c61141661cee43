"""Token buckets that bound what one peer may send; pure, time is an input.

A bucket holds up to `burst` units and refills steadily. Charging is never refused, because the frame
has been read already: the bucket goes into debt, and the answer is how long not to read on. So a peer
is slowed to its rate by TCP's own back-pressure, and memory stays bounded for anything it sends.
"""

from __future__ import annotations

from collections.abc import Mapping

from network.kinds import BURST_SECONDS, Kind, KindRule


class TokenBucket:
    """A steadily refilled allowance that may be overdrawn."""

    __slots__ = ("_burst", "_rate", "_tokens", "_updated")

    def __init__(self, rate: int, burst: int, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._updated = now

    def has(self, amount: int, now: float) -> bool:
        """Tell whether `amount` can be taken without debt; takes nothing."""
        return min(self._burst, self._tokens + (now - self._updated) * self._rate) >= amount

    def charge(self, amount: int, now: float) -> float:
        """Take `amount`; returns the seconds until the debt is paid, 0.0 without debt."""
        tokens = min(self._burst, self._tokens + (now - self._updated) * self._rate) - amount
        self._tokens = tokens
        self._updated = now
        return 0.0 if tokens >= 0 else -tokens / self._rate


class InboundLimits:
    """The buckets of one connection: frames and bytes for each kind, by the table of kinds."""

    def __init__(self, now: float, rules: Mapping[Kind, KindRule]) -> None:
        self._buckets = {
            kind: (
                TokenBucket(rule.frames_per_second, BURST_SECONDS * rule.frames_per_second, now),
                TokenBucket(rule.bytes_per_second, BURST_SECONDS * max(rule.bytes_per_second, rule.max_bytes), now),
            )
            for kind, rule in rules.items()
        }

    def charge(self, kind: Kind, size: int, now: float) -> float:
        """Account for a frame; returns the seconds for which to read no further."""
        frames, volume = self._buckets[kind]
        return max(frames.charge(1, now), volume.charge(size, now))
