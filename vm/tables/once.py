"""Tables of once-records: written once, never changed, outside the state tree (docs/decisions/once-records.md).

ORDERS = OnceTable("token/issue", (("program", SLUG), ("ref", TEXT)), Issued, present="the reference has been used")
ORDERS.put_new(ctx, Issued(…), program, ref)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

from vm.errors import Refused
from vm.tables.parts import Part
from vm.tables.stored import Readable, Stored, Writable
from vm.tables.table import Keys, named_parts

T = TypeVar("T")


class OnceReadable(Readable, Protocol):
    """A state whose once-records can be read."""

    def once(self, key: str, stored: Stored[T], /) -> tuple[T, bytes] | None:
        """Return the once-record of `key` with its canonical bytes, or None."""
        ...


class OnceWritable(OnceReadable, Writable, Protocol):
    """A state to which once-records can be added."""

    def put_once(self, family: str, key: str, stored: Stored[T], value: T, /) -> None:
        """Write a once-record where there is none."""
        ...


_FAMILIES: Final[dict[str, str]] = {}
"""Path → family, of all declared tables."""


def once_family_of(key: str) -> str | None:
    """Return the family of the once-record that has this key, None for a key of the state tree.

    Ask it through `contracts_py.registry`, with which all tables are declared.
    """
    while key:
        if key in _FAMILIES:
            return _FAMILIES[key]
        key = key.rpartition("/")[0]
    return None


class OnceTable(Generic[T]):
    """Once-records of one family; arguments as of `Table`.

    Attributes:
        family: the name of the log: the path, with dots, as it is one part of the log's own key.
    """

    __slots__ = ("_key", "family", "keys", "present", "stored", "words")

    def __init__(
        self,
        path: str,
        parts: Sequence[tuple[str, Part]],
        record: type[T] | Any,
        words: str = "",
        *,
        present: str = "the record exists",
    ) -> None:
        self.keys = Keys(path, parts)
        self._key = self.keys.make
        self.stored: Stored[T] = Stored(record, path)
        self.words = words
        self.present = present
        self.family = path.replace("/", ".")
        _FAMILIES[path] = self.family

    def get(self, state: OnceReadable, *key: Any) -> T | None:
        """Return the record, or None."""
        found = state.once(self._key(*key), self.stored)
        return None if found is None else found[0]

    def require_absent(self, state: OnceReadable, *key: Any) -> None:
        """Make sure that there is no record.

        Raises:
            Refused: ALREADY_EXISTS, with the key's parts as details.
        """
        if state.once(self._key(*key), self.stored) is not None:
            raise Refused("ALREADY_EXISTS", self.present, **named_parts(self.keys, key))

    def put_new(self, state: OnceWritable, record: T, *key: Any) -> None:
        """Write the record where there is none; raises as `require_absent` and `put`."""
        self.require_absent(state, *key)
        self.put(state, record, *key)

    def put(self, state: OnceWritable, record: T, *key: Any) -> None:
        """Write the record; the caller has seen that there is none, and refuses in its own words where there is.

        Raises:
            Refused: LIMIT_EXCEEDED, it is not within the declared bounds; ALREADY_EXISTS, there is one, and the
                caller has not looked.
        """
        state.put_once(self.family, self._key(*key), self.stored, record)
