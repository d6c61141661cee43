"""What a rule reads: facts of the member, the token and the chain, each looked up only where a rule names it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from contracts_py.calendar import shifted
from contracts_py.identity import Authority
from contracts_py.nft.records import Token
from contracts_py.nft.traits import MAX_TEXT, MAX_VALUE, Trait
from contracts_py.tier import Tiers
from vm.contract_api import MS_PER_DAY, Context, Params, current_params
from vm.rules import BOOL, INT, Facts, HostRefusal, Kind, Value, dyn, map_of, record, string

MAX_ATTRS: Final = 256
"""Entries of a list or map among an event's facts, as the estimate takes them; more is an error of kind LIMIT."""

_NAME: Final = string(64)
_ATTRIBUTE: Final = dyn(items=MAX_ATTRS, characters=1_024)
_MEMBER: Final = record(
    {"address": string(42), "kyc": INT, "enrolled": BOOL, "tier": _NAME, "tier_rank": INT}, closed=True
)
_EVENT: Final = record(
    {"type": _NAME, "ref": _NAME, "at": INT, "attrs": map_of(_ATTRIBUTE, MAX_ATTRS)},
    at_most=MAX_ATTRS + 4,
    other=_ATTRIBUTE,
)
_TYPES: Final[Mapping[str, Kind]] = {
    "int": INT,
    "bool": BOOL,
    "string": string(MAX_TEXT),
    "enum": string(MAX_VALUE),
}


def facts_of(traits: Iterable[Trait], has_event: bool) -> Facts:
    """Return the variables of a collection's rules with their types."""
    return _facts_of(tuple([(trait.name, trait.type) for trait in traits]), has_event)


@lru_cache(maxsize=256)
def _facts_of(traits: tuple[tuple[str, str], ...], has_event: bool) -> Facts:
    token = {
        "id": INT,
        "minted": INT,
        "transfers": INT,
        "held_days": INT,
        "traits": record({name: _TYPES[kind] for name, kind in traits}, closed=True),
    }
    variables = {
        "member": _MEMBER,
        "token": record(token, closed=True),
        "now": INT,
        "params": map_of(INT, len(Params.__struct_fields__)),
    }
    return Facts.of({**variables, "event": _EVENT} if has_event else variables)


def token_facts(token: int, record: Token, traits: Mapping[str, Value], time: int) -> dict[str, Value]:
    """Return the variable `token` at a time."""
    return {
        "id": token,
        "minted": record.minted,
        "transfers": record.transfers,
        "held_days": max(0, time - record.since) // MS_PER_DAY,
        "traits": traits,
    }


@dataclass(frozen=True, slots=True)
class Sources:
    """Where facts of a member come from."""

    authority: Authority
    tiers: Tiers

    def load(self, ctx: Context, names: frozenset[str], brand: str, owner: str) -> dict[str, Value]:
        """Return the variables `member` and `params`, as far as rules that read these names need them."""
        wanted = {name.partition(".")[2].partition(".")[0] for name in names if name.partition(".")[0] == "member"}
        values: dict[str, Value] = {}
        if wanted:
            values["member"] = self._member(ctx, wanted, brand, owner)
        if any(name.partition(".")[0] == "params" for name in names):
            params = current_params(ctx)
            values["params"] = {name: getattr(params, name) for name in params.__struct_fields__}
        return values

    def _member(self, ctx: Context, wanted: set[str], brand: str, owner: str) -> dict[str, Value]:
        everything = "" in wanted
        member: dict[str, Value] = {"address": owner}
        if everything or "kyc" in wanted:
            attested = self.authority.attestation_of(ctx, owner)
            member["kyc"] = 0 if attested is None else attested.level
        if everything or "enrolled" in wanted:
            member["enrolled"] = self.authority.is_member(ctx, owner, brand)
        if everything or not wanted.isdisjoint({"tier", "tier_rank"}):
            member["tier"], member["tier_rank"] = self.tiers.tier_of(ctx, brand, owner)
        return member


class BrandHost:
    """What the language asks of a brand: its clock. Lists and tables are campaign's, which stands above."""

    __slots__ = ("_authority", "_brand", "_ctx")

    def __init__(self, ctx: Context, authority: Authority, brand: str) -> None:
        self._ctx = ctx
        self._authority = authority
        self._brand = brand

    def local(self, ms: int) -> int:
        """Return the brand's local time at an instant, in ms."""
        return shifted(self._authority.brand_record(self._ctx, self._brand).offsets, ms)

    def in_collection(self, name: str, item: Any) -> bool:
        """Refuse: a badge's rules know no lists."""
        raise HostRefusal(f"a badge's rules have no collection {name}")

    def lookup(self, name: str, key: Any, default: Any) -> Value:
        """Refuse: a badge's rules know no tables."""
        raise HostRefusal(f"a badge's rules have no table {name}")
