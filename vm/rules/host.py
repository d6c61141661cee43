"""What depends on the brand, asked when a rule is evaluated and never before."""

from __future__ import annotations

from typing import Protocol

from vm.rules.errors import ErrorKind, HostRefusal
from vm.rules.faults import Site
from vm.rules.values import Value, is_value


class Host(Protocol):
    """The brand's side of a rule. Each method pays for what it reads; HostRefusal becomes an error of kind HOST."""

    def local(self, ms: int) -> int:
        """Return the brand's local clock at an instant, both in ms since the epoch."""

    def in_collection(self, name: str, item: Value) -> bool:
        """Tell whether one of the brand's collections holds an item."""

    def lookup(self, name: str, key: Value, default: Value) -> Value:
        """Return a key's value in one of the brand's tables, or the default."""


class NoHost:
    """The host of rules that depend on no brand."""

    def local(self, ms: int) -> int:
        """Refuse: there is no brand."""
        raise HostRefusal("local time is not known here")

    def in_collection(self, name: str, item: Value) -> bool:
        """Refuse: there are no collections."""
        raise HostRefusal(f"there is no collection {name}")

    def lookup(self, name: str, key: Value, default: Value) -> Value:
        """Refuse: there are no tables."""
        raise HostRefusal(f"there is no table {name}")


def ask_host(site: Site, host: Host, values: tuple[Value, ...]) -> Value:
    """Call the host function that a site names; raises RuleFault."""
    if not all(is_value(value) for value in values):
        raise site.types(*values)
    try:
        if site.name == "local":
            if type(values[0]) is not int:
                raise site.types(values[0])
            return host.local(values[0])
        return host.in_collection(*values) if site.name == "in_collection" else host.lookup(*values)
    except HostRefusal as refusal:
        raise site.fault(ErrorKind.HOST, str(refusal)) from None
