"""The cache of rules is bounded by bytes and forgets what was used longest ago."""

from __future__ import annotations

from vm.rules import DYN, Facts, check
from vm.rules.cache import MAX_CACHED_BYTES, SourceCache
from vm.rules.rule import RULES


def test_the_least_recently_used_goes_first() -> None:
    cache: SourceCache[str] = SourceCache(10)
    cache.put("a", 4, "A")
    cache.put("b", 4, "B")
    assert cache.get("a") == "A"
    cache.put("c", 4, "C")
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == ("A", None, "C")


def test_what_is_larger_than_the_cache_is_not_kept() -> None:
    cache: SourceCache[str] = SourceCache(10)
    cache.put("a", 11, "A")
    assert len(cache) == 0
    cache.put("b", 10, "B")
    assert cache.get("b") == "B"


def test_rules_are_kept_up_to_the_bound() -> None:
    facts = Facts.of({"a": DYN})
    longest = "a" + " " * 4_000
    for number in range(2 * MAX_CACHED_BYTES // len(longest)):
        check(f"{longest}== {number}", facts)
    assert len(RULES) <= MAX_CACHED_BYTES // len(longest)
    assert check("a == 1", facts) is check("a == 1", facts)
