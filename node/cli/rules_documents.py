"""What the commands of `entente rules` read: sources, and documents of facts, collections and tables.

    event: {type: purchase, amount: 12000}      any other name is a fact
    member: {tier: gold}
    host:                                       optional: what a brand would answer
      local_offset_minutes: 120
      collections: {wines: [sku-1, sku-2]}
      tables: {points: {sku-1: 5}}

A document is YAML or JSON. Bytes are written as a map of the one key `bytes` with their hex.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from node.terminal.output import CliError, shortened
from vm.rules import DYN, Facts, HostRefusal, Value, dyn

USUAL_FACTS: Final = ("balance", "event", "member", "now", "params", "token")
"""The variables of SPEC section 8, which every rule can name."""

_HEX: Final = re.compile(r"(?:[0-9a-f]{2})*")
_INT: Final = range(-(2**63), 2**63)
_MS_PER_MINUTE: Final = 60_000


class NotAFact(ValueError):
    """What a document holds is no value of the language; tells where."""


class DocumentHost:
    """A brand as a document describes it: no offset is UTC."""

    def __init__(self, described: Mapping[str, Any]) -> None:
        self._offset_ms = _whole(described.get("local_offset_minutes", 0)) * _MS_PER_MINUTE
        self._collections = _maps(described, "collections")
        self._tables = _maps(described, "tables")

    def local(self, ms: int) -> int:
        """Return the local clock."""
        return ms + self._offset_ms

    def in_collection(self, name: str, item: Value) -> bool:
        """Look into a collection."""
        if name not in self._collections:
            raise HostRefusal(f"there is no collection {name}")
        return any(type(held) is type(item) and held == item for held in self._collections[name])

    def lookup(self, name: str, key: Value, default: Value) -> Value:
        """Look into a table."""
        if name not in self._tables:
            raise HostRefusal(f"there is no table {name}")
        held = [value for kept, value in self._tables[name].items() if type(kept) is type(key) and kept == key]
        return held[0] if held else default


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise NotAFact("host.local_offset_minutes is not a whole number")
    return value


def _maps(described: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    held = described.get(name, {})
    if not isinstance(held, dict):
        raise NotAFact(f"host.{name} is not a map of names")
    for key, inner in held.items():
        if not isinstance(inner, list if name == "collections" else dict):
            raise NotAFact(f"host.{name}.{key} is not a {'list' if name == 'collections' else 'map'}")
    return {key: fact(inner, f"host.{name}.{key}") for key, inner in held.items()}


def source_of(file: Path) -> str:
    """Read a rule's source; a newline at its end is no part of it."""
    return _text(file).rstrip("\n")


def _text(file: Path) -> str:
    """Read a file, or standard input for -."""
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{file} cannot be read: {error}") from None


def document_of(file: Path) -> Any:
    """Read a YAML or JSON document."""
    try:
        return yaml.load(_text(file), Loader=_Loader)
    except yaml.YAMLError as error:
        raise CliError(f"{file} is not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise CliError(f"{file} is nested too deeply") from None


class _Loader(yaml.SafeLoader):
    """YAML whose maps have each key once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Make a map; a key that is there already would hide the first one."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value} is there twice", key.start_mark
                )
            seen.add(key.value)
        made: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return made


def facts_and_host(document: Any, where: str) -> tuple[dict[str, Value], DocumentHost]:
    """Return the facts by name and the host of a document; raises NotAFact."""
    if not isinstance(document, dict):
        raise NotAFact(f"{where} is not a map of facts by name")
    rest = {name: value for name, value in document.items() if name != "host"}
    return facts_of(rest, where), host_of(document.get("host", {}))


def facts_of(document: dict[Any, Any], where: str) -> dict[str, Value]:
    """Return facts by name; raises NotAFact."""
    if not all(isinstance(name, str) for name in document):
        raise NotAFact(f"{where} has a name that is not text")
    return {name: fact(value, name) for name, value in document.items()}


def host_of(described: Any) -> DocumentHost:
    """Return the host that a document describes; raises NotAFact."""
    if not isinstance(described, dict):
        raise NotAFact("host is not a map")
    return DocumentHost(described)


def fact(value: Any, where: str) -> Value:
    """Return a document's value as one of the language; raises NotAFact with its place."""
    if value is None or type(value) is bool:
        return value
    if type(value) is int:
        if value not in _INT:
            raise NotAFact(f"{where} does not fit into 64 bits")
        return value
    if isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise NotAFact(f"{where} holds a surrogate, which is no character")
        return value
    if isinstance(value, list):
        return [fact(item, f"{where}[{place}]") for place, item in enumerate(value)]
    if isinstance(value, dict):
        return _map(value, where)
    kind = "a fraction: amounts are integers" if isinstance(value, float) else f"a {type(value).__name__}"
    raise NotAFact(f"{where} is {kind}")


def _map(value: dict[Any, Any], where: str) -> Value:
    if value.keys() == {"bytes"} and isinstance(value["bytes"], str) and _HEX.fullmatch(value["bytes"]):
        return bytes.fromhex(value["bytes"])
    for key in value:
        if type(key) not in (str, int):
            raise NotAFact(f"{where} has the key {shortened(str(key))}, which is neither text nor an integer")
    return {fact(key, where): fact(inner, f"{where}.{key}") for key, inner in value.items()}


def kinds_of(values: Mapping[str, Value]) -> Facts:
    """Declare facts of any type, as large as these are or as usual, and the usual ones besides."""
    items, characters = sizes_of(values)
    kind = dyn(items=max(items, DYN.items), characters=max(characters, DYN.characters))
    return Facts.of(dict.fromkeys((*USUAL_FACTS, *values), kind))


def sizes_of(values: Mapping[str, Value]) -> tuple[int, int]:
    """Return the most elements of a list or map, and characters of a text, anywhere among values."""
    items = characters = 0
    waiting: list[Value] = list(values.values())
    while waiting:
        value = waiting.pop()
        if isinstance(value, str | bytes):
            characters = max(characters, len(value))
        elif isinstance(value, list):
            items = max(items, len(value))
            waiting.extend(value)
        elif isinstance(value, dict):
            items = max(items, len(value))
            waiting.extend((*value, *value.values()))
    return items, characters
