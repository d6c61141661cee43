"""The template of a genesis with a unit of the whole alliance: from a TOML file to genesis operations.

    unit = AllianceUnit.load(path)
    document = GenesisDocument(…, ops=[*brands, *unit.ops(start)])

The unit is a backed program of a brand that the members run together (docs/ledger.md, "A unit of the alliance").
What one member's file says wrong is told before a chain begins: a program in another currency, and a way out of the
unit that gives more value than it takes, which would eat up what backs the others' units.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Final

import msgspec

from genesis.errors import GenesisDocumentError
from vm.primitives.units import is_slug

YEAR_MS: Final = 365 * 86_400_000
BPS: Final = 10_000

Op = tuple[str, dict[str, Any]]


class UnitTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The alliance's brand and its program; `price` is in minor units of the currency for one unit."""

    brand: str
    brand_name: str
    program: str
    name: str
    symbol: str
    decimals: int
    currency: str
    price: int
    admins: list[str]
    expiry: dict[str, Any]
    valid_years: int = 50


class MemberTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A member's program, and how it is exchanged: rates are [to-units, from-units], credit is in minor units."""

    brand: str
    program: str
    into_unit: tuple[int, int]
    out_of_unit: tuple[int, int]
    fee_bps: int
    may_owe: int
    may_be_owed: int
    program_terms: dict[str, Any]

    @property
    def way_in(self) -> str:
        """The name of the treaty into the unit."""
        return f"{self.program}-in"


class AllianceUnit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A unit and the members between whom it goes."""

    unit: UnitTerms
    members: list[MemberTerms]

    @classmethod
    def load(cls, path: Path) -> AllianceUnit:
        """Read a file.

        Raises:
            GenesisDocumentError: it cannot be read, is no TOML, or says something that cannot be meant.
        """
        try:
            return cls.parse(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise GenesisDocumentError([f"{path} cannot be read: {error}"]) from None
        except GenesisDocumentError as error:
            raise GenesisDocumentError([f"{path}: {problem}" for problem in error.problems]) from None

    @classmethod
    def parse(cls, text: str) -> AllianceUnit:
        """Read a text; raises as `load`."""
        try:
            made = msgspec.convert(tomllib.loads(text), cls)
        except msgspec.ValidationError as error:
            raise GenesisDocumentError([str(error)]) from None
        except RecursionError:
            raise GenesisDocumentError(["it is no TOML for a unit: it is nested too deep"]) from None
        except ValueError as error:  # TOMLDecodeError, or an integer of thousands of digits
            raise GenesisDocumentError([f"it is no TOML: {error}"]) from None
        problems = list(made._problems())
        if problems:
            raise GenesisDocumentError(problems)
        return made

    def ops(self, start: int) -> list[Op]:
        """Return the genesis operations: brand, programs, treaties in force, credit.

        Args:
            start: the chain's time of genesis, ms.
        """
        unit = self.unit
        made: list[Op] = [
            (
                "identity.register_brand",
                {"brand": unit.brand, "name": unit.brand_name, "admins": list(unit.admins)},
            ),
            ("token.create_program", self._unit_program()),
        ]
        for member in self.members:
            terms = {**member.program_terms, "program": member.program, "brand": member.brand}
            made.append(("token.create_program", terms))
        for member in self.members:
            made += self._treaties(member, start)
            made += _credit(unit, member)
        return made

    def _way_out(self, member: MemberTerms) -> str:
        """Return the name of the treaty out of the unit: its proposer's name stands first."""
        return f"{self.unit.brand}-{member.program}"

    def _unit_program(self) -> dict[str, Any]:
        unit = self.unit
        return {
            "program": unit.program,
            "brand": unit.brand,
            "name": unit.name,
            "symbol": unit.symbol,
            "decimals": unit.decimals,
            "transfer": "free",
            "expiry": unit.expiry,
            "transfer_burn_bps": 0,
            "notice_ms": 0,
            "price": {"currency": unit.currency, "num": unit.price, "den": 1},
            "backed": True,
        }

    def _treaties(self, member: MemberTerms, start: int) -> list[Op]:
        unit = self.unit
        ways = [
            (member.way_in, member.program, unit.program, member.into_unit, 0),
            (self._way_out(member), unit.program, member.program, member.out_of_unit, member.fee_bps),
        ]
        made: list[Op] = []
        for treaty, source, target, rate, fee_bps in ways:
            proposal = {
                "treaty": treaty,
                "from_program": source,
                "to_program": target,
                "rate": list(rate),
                "fee_bps": fee_bps,
                "limits": {},
                "valid_from": start,
                "valid_to": start + unit.valid_years * YEAR_MS,
            }
            made += [("swap.propose", proposal), ("swap.accept", {"treaty": treaty})]
        return made

    def _problems(self) -> list[str]:
        problems = []
        if not self.members:
            problems.append("a unit needs members")
        for member in self.members:
            try:
                price = msgspec.convert(member.program_terms.get("price"), _Price)
            except msgspec.ValidationError as error:
                problems.append(f"{member.brand}: program_terms.price: {error}")
                continue
            problems += [f"{member.brand}: {words}" for words in self._problems_of(member, price)]
        return problems

    def _problems_of(self, member: MemberTerms, price: _Price) -> list[str]:
        problems = []
        if price.currency != self.unit.currency:
            problems.append(f"the program is priced in {price.currency}, the unit in {self.unit.currency}")
        for treaty in (member.way_in, self._way_out(member)):
            if not is_slug(treaty):
                problems.append(f"the treaty's name {treaty} would be no slug of 2 to 32 characters")
        num, den = member.out_of_unit
        if num * (BPS - member.fee_bps) * price.num > den * BPS * price.den * self.unit.price:
            problems.append("out_of_unit gives more value than it takes, so that other members' units lack backing")
        return problems


class _Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    currency: str
    num: int
    den: int


def _credit(unit: UnitTerms, member: MemberTerms) -> list[Op]:
    return [
        (
            "clearing.set_credit_limit",
            {"creditor": creditor, "debtor": debtor, "currency": unit.currency, "amount": amount},
        )
        for creditor, debtor, amount in (
            (unit.brand, member.brand, member.may_owe),
            (member.brand, unit.brand, member.may_be_owed),
        )
    ]


def template() -> str:
    """Return the file to begin with."""
    return (resources.files("genesis") / "templates" / "alliance-unit.toml").read_text(encoding="utf-8")
