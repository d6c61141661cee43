"""Tables: records under keys that are made in one place.

    PROGRAMS = Table("token/program", (SLUG,), Program, missing="no such program")
    rules = PROGRAMS.require(ctx, program)

A table without key parts holds a single value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from vm.errors import Refused
from vm.tables.parts import Part
from vm.tables.stored import Readable, Stored, Writable

T = TypeVar("T")


class Keys:
    """How a declaration's keys are made: its path, then its parts.

    Args:
        path: begins with the contract's name.
        parts: what distinguishes the records, in order, by name.
    """

    __slots__ = ("_template", "_writers", "parts", "path")

    def __init__(self, path: str, parts: Sequence[tuple[str, Part]]) -> None:
        self.path = path
        self.parts = tuple(parts)
        self._template = "/".join([path.replace("%", "%%"), *("%s" for _ in parts)])
        self._writers = tuple(
            [(place, part.write) for place, (_, part) in enumerate(parts) if part.write is not None]
        )

    def key(self, values: tuple[Any, ...]) -> str:
        """Return the state key for these values of the parts, in order."""
        if self._writers:
            texts = list(values)
            for place, write in self._writers:
                texts[place] = write(texts[place])
            values = tuple(texts)
        return self._template % values

    def values(self, key: str) -> tuple[Any, ...]:
        """Return the parts' values in a key that `key` has made."""
        texts = key[len(self.path) + 1 :].split("/") if self.parts else []
        return tuple([part.parse(text) for (_, part), text in zip(self.parts, texts, strict=True)])

    @property
    def pattern(self) -> str:
        """The key with its parts' names, as in `token/program/<program>`."""
        return "/".join([self.path, *(f"<{name}>" for name, _ in self.parts)])

    @property
    def max_bytes(self) -> int:
        """The longest key."""
        return len(self.path.encode()) + sum(1 + part.max_bytes for _, part in self.parts)


class Table(Generic[T]):
    """Records of one type.

    Args:
        path, parts: see `Keys`.
        record: what may be stored; see `vm.tables.stored`.
        words: what the records are, for the page of the state layout.
        missing, present: what `require` and `require_absent` say when they refuse.
    """

    __slots__ = ("_key", "keys", "missing", "present", "stored", "words")

    def __init__(
        self,
        path: str,
        parts: Sequence[tuple[str, Part]],
        record: type[T] | Any,
        words: str = "",
        *,
        missing: str = "there is no such record",
        present: str = "the record exists",
    ) -> None:
        self.keys = Keys(path, parts)
        self._key = self.keys.key
        self.stored: Stored[T] = Stored(record, path)
        self.words = words
        self.missing = missing
        self.present = present

    def get(self, state: Readable, *key: Any) -> T | None:
        """Return the record, or None."""
        cell = state.cell(self._key(key), self.stored)
        return None if cell is None else cell[0]

    def require(self, state: Readable, *key: Any) -> T:
        """Return the record.

        Raises:
            Refused: NOT_FOUND, with the key's parts as details.
        """
        cell = state.cell(self._key(key), self.stored)
        if cell is None:
            raise Refused("NOT_FOUND", self.missing, **self._details(key))
        return cell[0]

    def require_absent(self, state: Readable, *key: Any) -> None:
        """Make sure that there is no record.

        Raises:
            Refused: ALREADY_EXISTS, with the key's parts as details.
        """
        if state.cell(self._key(key), self.stored) is not None:
            raise Refused("ALREADY_EXISTS", self.present, **self._details(key))

    def put(self, state: Writable, record: T, *key: Any) -> None:
        """Set the record.

        Raises:
            Refused: LIMIT_EXCEEDED, it is not within the declared bounds.
        """
        state.put_cell(self._key(key), self.stored, record)

    def delete(self, state: Writable, *key: Any) -> None:
        """Remove the record, if there is one."""
        state.drop(self._key(key))

    def _details(self, key: tuple[Any, ...]) -> dict[str, Any]:
        named = zip(self.keys.parts, key, strict=True)
        return {name: value.hex() if type(value) is bytes else value for (name, _), value in named}
