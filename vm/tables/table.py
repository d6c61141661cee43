"""Tables: records under keys that are made in one place.

    PROGRAMS = Table("token/program", (SLUG,), Program, missing="no such program")
    rules = PROGRAMS.require(ctx, program)

A table without key parts holds a single value.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

from vm.errors import Refused
from vm.tables.parts import Part
from vm.tables.stored import Readable, Stored, Writable

T = TypeVar("T")

_PATH: Final = re.compile(r"[a-z0-9-]+(/[a-z0-9-]+)*")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


DECLARED: Final[dict[str, Keys]] = {}
"""How the keys of all declarations are made, by path."""


class Keys:
    """How a declaration's keys are made: its path, then its parts.

    Args:
        path: begins with the contract's name.
        parts: what distinguishes the records, in order, by name.
    """

    __slots__ = ("make", "parts", "path")

    def __init__(self, path: str, parts: Sequence[tuple[str, Part]]) -> None:
        """Declare keys.

        Raises:
            TypeError: the path is not one of lower-case words, digits and dashes between slashes; a part is not a
                name with a Part.
        """
        if _PATH.fullmatch(path) is None:
            raise TypeError(f"{path} is no path of a key")
        self.path = path
        self.parts = _checked_parts(path, parts)
        self.make: Callable[..., str] = _maker(path, self.parts)
        """(values of the parts, in order) → the state key."""
        DECLARED[path] = self

    def key(self, values: tuple[Any, ...]) -> str:
        """Return the state key for these values of the parts, in order."""
        return self.make(*values)

    def values(self, key: str) -> tuple[Any, ...]:
        """Return the parts' values in a key that `key` has made."""
        texts = key[len(self.path) + 1 :].split("/") if self.parts else []
        return tuple([part.parse(text) for (_, part), text in zip(self.parts, texts, strict=True)])

    def fault_of(self, key: str) -> str | None:
        """Return what is wrong with a key below the path, None where it is one of a record, or of a page of one."""
        texts = key.split("/")[self.path.count("/") + 1 :]
        page = texts[len(self.parts) :]
        if len(texts) < len(self.parts) or len(page) > 1 or not all(text.isdecimal() for text in page):
            return f"{key} is not of the form {self.pattern}"
        for (name, part), text in zip(self.parts, texts, strict=False):
            fault = part.fault_of(text)
            if fault is not None:
                return f"the part {name} of {key}: {fault}"
        return None

    @property
    def pattern(self) -> str:
        """The key with its parts' names, as in `token/program/<program>`."""
        return "/".join([self.path, *(f"<{name}>" for name, _ in self.parts)])

    @property
    def max_bytes(self) -> int:
        """The longest key."""
        return len(self.path.encode()) + sum(1 + part.max_bytes for _, part in self.parts)


def _checked_parts(path: str, parts: Sequence[tuple[str, Part]]) -> tuple[tuple[str, Part], ...]:
    names = []
    for place, part in enumerate(parts):
        if not isinstance(part, tuple) or len(part) != 2:
            raise TypeError(
                f'{path}: part {place} is {part!r}, not ("name", SLUG); is a comma missing behind the only one?'
            )
        name, kind = part
        if type(name) is not str or _NAME.fullmatch(name) is None or name in names:
            raise TypeError(f"{path}: part {place} needs a name of its own, of lower-case letters, not {name!r}")
        if not isinstance(kind, Part):
            raise TypeError(
                f"{path}: the part {name} is {kind!r}, which is no Part like SLUG, ADDRESS, NUMBER or TEXT"
            )
        names.append(name)
    return tuple(parts)


def named_parts(keys: Keys, values: tuple[Any, ...]) -> dict[str, Any]:
    """Return a key's parts by name, as details of a refusal."""
    named = zip(keys.parts, values, strict=True)
    return {name: value.hex() if type(value) is bytes else value for (name, _), value in named}


def _maker(path: str, parts: Sequence[tuple[str, Part]]) -> Callable[..., str]:
    """Return what makes keys, from generated source: a transfer makes ten, and each took 0.5 µs by a template.

    Only the path and the parts' names, which have no character of the language but letters, get into the source.
    """
    names, text, writers = _key_source(path, parts)
    made: Callable[..., str] = eval(f"lambda {', '.join(names)}: {text}", writers)
    made.__name__ = made.__qualname__ = f"the key of {path}"  # Python says it where a part is missing
    return made


def _key_source(path: str, parts: Sequence[tuple[str, Part]]) -> tuple[list[str], str, dict[str, Any]]:
    """Return the names of a key's parts, the source of the key made of them, and what that source uses."""
    names = [f"{name}_" if keyword.iskeyword(name) else name for name, _ in parts]
    written = [f"WRITE{place}({name})" if parts[place][1].write else name for place, name in enumerate(names)]
    text = f"f'{'/'.join([path, *('{' + text + '}' for text in written)])}'"
    return names, text, {f"WRITE{place}": part.write for place, (_, part) in enumerate(parts)}


def _accessors(keys: Keys, stored: Stored[Any], missing: Callable[..., Refused]) -> dict[str, Callable[..., Any]]:
    """Return a table's `get`, `require` and `put`, from generated source as the key is.

    A record with one rule that fires reads twenty values: making the key within the accessor saves a call for each.
    """
    names, text, scope = _key_source(keys.path, keys.parts)
    parts = "".join(f", {name}" for name in names)
    source = f"""
def get(STATE{parts}):
    CELL = STATE.cell({text}, STORED)
    return None if CELL is None else CELL[0]

def require(STATE{parts}):
    CELL = STATE.cell({text}, STORED)
    if CELL is None:
        raise MISSING({parts[2:]})
    return CELL[0]

def put(STATE, RECORD{parts}):
    STATE.put_cell({text}, STORED, RECORD)
"""
    scope |= {"STORED": stored, "MISSING": missing}
    exec(source, scope)
    for name in ("get", "require", "put"):
        scope[name].__qualname__ = f"{name} of {keys.path}"
    return scope


class Table(Generic[T]):
    """Records of one type.

    Args:
        path, parts: see `Keys`.
        record: what may be stored; see `vm.tables.stored`.
        words: what the records are, for the page of the state layout.
        missing, present: what `require` and `require_absent` say when they refuse.
    """

    __slots__ = ("get", "key", "keys", "missing", "present", "put", "require", "stored", "words")

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
        self.key = self.keys.make
        """(parts) → the state key, for who uses it several times: see `get_at`."""
        self.stored: Stored[T] = Stored(record, path)
        self.words = words
        self.missing = missing
        self.present = present
        accessors = _accessors(self.keys, self.stored, self._missing)
        self.get: Callable[..., T | None] = accessors["get"]
        """(state, parts…) → the record, or None."""
        self.require: Callable[..., T] = accessors["require"]
        """(state, parts…) → the record; raises Refused: NOT_FOUND, with the key's parts as details."""
        self.put: Callable[..., None] = accessors["put"]
        """(state, record, parts…) sets the record; raises Refused: LIMIT_EXCEEDED, it is not within its bounds."""

    def _missing(self, *key: Any) -> Refused:
        return Refused("NOT_FOUND", self.missing, **named_parts(self.keys, key))

    def require_absent(self, state: Readable, *key: Any) -> None:
        """Make sure that there is no record.

        Raises:
            Refused: ALREADY_EXISTS, with the key's parts as details.
        """
        if state.cell(self.key(*key), self.stored) is not None:
            raise Refused("ALREADY_EXISTS", self.present, **named_parts(self.keys, key))

    def delete(self, state: Writable, *key: Any) -> None:
        """Remove the record, if there is one."""
        state.drop(self.key(*key))

    def get_at(self, state: Readable, key: str) -> T | None:
        """Return the record at a key that `key` has made, or None."""
        cell = state.cell(key, self.stored)
        return None if cell is None else cell[0]

    def put_at(self, state: Writable, record: T, key: str) -> None:
        """Set the record at a key that `key` has made; raises as `put`."""
        state.put_cell(key, self.stored, record)


def fault_of_key(key: str) -> str | None:
    """Return what is wrong with a state key, None where it is as a declaration makes it."""
    path = key
    while path:
        if path in DECLARED:
            return DECLARED[path].fault_of(key)
        path = path.rpartition("/")[0]
    return f"{key} is below no declared path"
