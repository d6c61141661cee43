"""What rules see: the event, and of the member what the first rule that names it needs, as of before the record.

    sight = Sight(ctx, sources, brand, member, event, today)
    sight.need(rule)                    # loads what the rule reads and is not there yet
    rule.evaluate(sight.values, host)

What was loaded stands in the record (`remembered`), so that a later reversal with `keep`, and `replay`, see it too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from contracts_py.calendar import Offsets, shifted
from contracts_py.campaign import profiles
from contracts_py.campaign.attrs import MAX_ATTRS_BYTES, MAX_ITEMS, MAX_TEXT, decoded
from contracts_py.campaign.deeds import MAX_FACTS_BYTES, PROFILES
from contracts_py.campaign.lists import Lists
from contracts_py.identity import Authority
from contracts_py.tier import Tiers
from contracts_py.token import Ledger
from vm.contract_api import Context, Refused, current_params, encode
from vm.rules import BOOL, INT, Facts, HostRefusal, Rule, dyn, list_of, map_of, record, string

Value = Any

MAX_BALANCES: Final = 64
"""Programs whose balances a rule sees that does not name them."""

_ADDRESS: Final = string(42)
_NAME: Final = string(64)
_ATTRIBUTE: Final = dyn(items=MAX_ITEMS, characters=MAX_TEXT)

FACTS: Final = Facts.of(
    {
        "event": record(
            {"type": _NAME, "ref": _NAME, "at": INT, "attrs": map_of(_ATTRIBUTE, MAX_ITEMS)},
            at_most=MAX_ITEMS + 4,
            other=_ATTRIBUTE,
        ),
        "member": record(
            {
                "address": _ADDRESS,
                "kyc": INT,
                "tier": _NAME,
                "tier_rank": INT,
                "benefits": list_of(_NAME, 64),
                "enrolled": BOOL,
                "enrolled_at": INT,
                "referrer": _ADDRESS,
                "profile": record(dict.fromkeys(profiles.COUNTERS, INT), at_most=64, other=dyn(characters=1_024)),
            },
            closed=True,
        ),
        "balance": map_of(INT, MAX_BALANCES),
        "now": INT,
        "params": map_of(INT, 64),
    }
)
"""The variables of a rule; of what is under `event` a till decides, so its types are not known."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where facts come from."""

    authority: Authority
    ledger: Ledger
    tiers: Tiers
    lists: Lists


class Sight:
    """The facts of one record.

    Attributes:
        values: variables by name; what no rule has named yet is missing from them.
        member: the account, after merges.
        assumed: whether some fact of a past record had to be taken from today.
    """

    __slots__ = (
        "_accounts",
        "_ctx",
        "_lists_at",
        "_member",
        "_names",
        "_past",
        "_people",
        "_sources",
        "_then",
        "_today",
        "assumed",
        "brand",
        "member",
        "values",
    )

    def __init__(
        self,
        ctx: Context,
        sources: Sources,
        brand: str,
        member: str,
        event: Mapping[str, Value],
        today: int,
        past: bytes | None = None,
        now: int | None = None,
    ) -> None:
        """Begin with the event alone.

        Args:
            today: the brand's local day of the event.
            past: what an earlier sight has `remembered`: that counts, and the state for what it lacks.
            now: the time that rules see, where it is not the block's.
        """
        self._ctx = ctx
        self._sources = sources
        self.brand = brand
        self.member = member
        self._today = today
        self._member: dict[str, Value] = {"address": member}
        self.values: dict[str, Value] = {
            "event": event,
            "now": ctx.time if now is None else now,
            "member": self._member,
        }
        self._names: set[str] = set()
        self._then = past is not None
        self.assumed = False
        self._past: dict[str, Value] = decoded(past) if past else {}
        self._lists_at: int | None = None
        self._people: tuple[str, ...] | None = None
        self._accounts: tuple[str, ...] | None = None

    def need(self, rule: Rule) -> None:
        """Load what a rule reads."""
        if not rule.roots.isdisjoint(_LOADED):
            for name in sorted(rule.names - self._names):
                self._names.add(name)
                self._load(name)

    def fact(self, name: str) -> Value:
        """Return a fact of the member, such as `referrer`."""
        if name not in self._member:
            self._load(f"member.{name}")
        return self._member[name]

    def people(self) -> tuple[str, ...]:
        """Return the addresses that are one shopper's."""
        if self._people is None:
            self._people = self._sources.authority.linked_addresses(self._ctx, self.member)
        return self._people

    def lists_version(self) -> int:
        """Return at which version the brand's lists are asked: that of a past record, else the present one."""
        if self._lists_at is None:
            past = self._past.get("lists")
            self.assumed |= self._then and past is None
            self._lists_at = self._sources.lists.version(self._ctx, self.brand) if past is None else past
        return self._lists_at

    def proofs(self) -> Mapping[str, Value]:
        """Return what the till has brought to prove that goods are in collections: `event.attrs.proofs`."""
        proofs = self.values["event"]["attrs"].get("proofs")
        return proofs if isinstance(proofs, Mapping) else {}

    def remembered(self) -> bytes:
        """Return what was loaded, as canonical bytes; empty where that is nothing, or more than a record holds."""
        found = {f"member.{name}": value for name, value in self._member.items() if name != "address"}
        if "balance" in self.values:
            found["balance"] = self.values["balance"]
        if self._lists_at is not None:
            found["lists"] = self._lists_at
        data = encode(found) if found else b""
        return data if len(data) <= min(MAX_FACTS_BYTES, MAX_ATTRS_BYTES) else b""

    def _load(self, name: str) -> None:
        root, _, rest = name.partition(".")
        if root == "member":
            first, _, second = rest.partition(".")
            for fact in [first] if first else sorted(_MEMBER_FACTS):
                self._load_member(fact, second)
        elif root == "balance":
            self._load_balance(rest)
        elif root == "params" and "params" not in self.values:
            params = current_params(self._ctx)
            self.values["params"] = {name: getattr(params, name) for name in params.__struct_fields__}

    def _load_member(self, fact: str, part: str) -> None:
        past = self._past.get(f"member.{fact}")
        if fact == "profile":
            self._load_profile(part, past)
        elif fact in self._member:
            return
        elif past is not None:
            if fact == "referrer" and past:
                past = self._sources.authority.current_account(self._ctx, past)
            self._member[fact] = past
        elif fact in _MEMBER_FACTS:
            self.assumed |= self._then
            _MEMBER_FACTS[fact](self)

    def _load_profile(self, part: str, past: Mapping[str, Value] | None) -> None:
        """Load counters, or what campaigns have set, or both where a rule does not say which."""
        profile: dict[str, Value] = self._member.setdefault("profile", {})
        if past is not None:
            for name, value in past.items():
                profile.setdefault(name, value)
            if part and part in profile:
                return
        self.assumed |= self._then
        if (not part or part in profiles.COUNTERS) and "last_at" not in profile:
            kept = [PROFILES.get(self._ctx, self.brand, one) for one in self._merged()]
            joined = profiles.joined([one for one in kept if one is not None])
            profile.update(profiles.counters(joined, self._today))
        if part not in profiles.COUNTERS:
            for name, value in profiles.named_of(self._ctx, self.brand, self._merged()).items():
                profile.setdefault(name, value)

    def _merged(self) -> tuple[str, ...]:
        if self._accounts is None:
            self._accounts = tuple(self._sources.authority.accounts_of(self._ctx, self.member))
        return self._accounts

    def _load_balance(self, program: str) -> None:
        past = self._past.get("balance") or {}
        balance: dict[str, int] = self.values.setdefault("balance", {})
        ledger = self._sources.ledger
        programs = [program] if program else list(ledger.programs_of(self._ctx, self.member))[:MAX_BALANCES]
        for one in programs:
            if one in balance:
                continue
            self.assumed |= self._then and one not in past
            balance[one] = past[one] if one in past else ledger.available(self._ctx, one, self.member)

    def load_status(self) -> None:
        """Load what the member has reached."""
        status = self._sources.tiers.status_of(self._ctx, self.brand, self.member)
        if status is None:
            self._member.update(tier="", tier_rank=0, benefits=())
        else:
            self._member.update(tier=status.name, tier_rank=status.rank, benefits=status.benefits)

    def load_kyc(self) -> None:
        """Load the level to which the member is attested."""
        found = self._sources.authority.attestation_of(self._ctx, self.member)
        self._member["kyc"] = 0 if found is None else found.level

    def load_enrolled(self) -> None:
        """Load whether the member is the brand's, and since when; 0 where it is not."""
        since = self._sources.authority.enrolled_at(self._ctx, self.member, self.brand)
        self._member.update(enrolled=since is not None, enrolled_at=since or 0)

    def load_referrer(self) -> None:
        """Load who has referred the member; "" where there is no one."""
        self._member["referrer"] = self._sources.authority.referrer_of(self._ctx, self.member) or ""

    def load_profile(self) -> None:
        """Load all that is known of the member at the brand."""
        self._load_profile("", self._past.get("member.profile"))


_LOADED: Final = frozenset({"member", "balance", "params"})
_MEMBER_FACTS: Final[Mapping[str, Callable[[Sight], None]]] = {
    "kyc": Sight.load_kyc,
    "tier": Sight.load_status,
    "tier_rank": Sight.load_status,
    "benefits": Sight.load_status,
    "enrolled": Sight.load_enrolled,
    "enrolled_at": Sight.load_enrolled,
    "referrer": Sight.load_referrer,
    "profile": Sight.load_profile,
}


def event_of(attrs: Mapping[str, Value], event: str, ref: str, at: int) -> dict[str, Value]:
    """Return the variable `event`: the attributes by name, and what the record says, which wins over them."""
    return {**attrs, "type": event, "ref": ref, "at": at, "attrs": attrs}


class BrandHost:
    """What the language asks of a brand, when a rule is evaluated."""

    __slots__ = ("_ctx", "_lists", "_offsets", "_sight")

    def __init__(self, ctx: Context, lists: Lists, sight: Sight, offsets: Offsets) -> None:
        self._ctx = ctx
        self._lists = lists
        self._sight = sight
        self._offsets = offsets

    def local(self, ms: int) -> int:
        """Return the brand's local time at an instant, in ms."""
        return shifted(self._offsets, ms)

    def in_collection(self, name: str, item: Value) -> bool:
        """Tell whether one of the brand's collections has an item."""
        try:
            sight = self._sight
            return self._lists.in_collection(
                self._ctx, sight.brand, name, item, version=sight.lists_version(), proofs=sight.proofs()
            )
        except Refused as refusal:
            raise _as_host_refusal(refusal) from None

    def lookup(self, name: str, key: Value, default: Value) -> Value:
        """Return a value of one of the brand's tables."""
        try:
            sight = self._sight
            return self._lists.lookup(self._ctx, sight.brand, name, key, default, version=sight.lists_version())
        except Refused as refusal:
            raise _as_host_refusal(refusal) from None


def _as_host_refusal(refusal: Refused) -> Exception:
    """Return what ends an evaluation with an error; the end of the transaction's budget ends the transaction."""
    return refusal if refusal.code == "OUT_OF_BUDGET" else HostRefusal(refusal.message)
