"""The genesis document: what all validators agree on before the first block.

A JSON object with integers, strings, lists and objects only. `chain` is name + "-" + 16 hex digits of the
SHA-256 of its canonical bytes, so a chain's name commits to all of it; block 1's parent is that whole digest.

Invariants:
    1. Two documents with the same values are the same chain, however the JSON is spaced or ordered. A
       field that is left out is not hashed, so that anyone can hash the JSON without knowing defaults.
    2. A loaded Genesis has passed every check here; only executing its operations can still fail.
    3. No name stands twice in one of its JSON objects, as readers disagree about which value counts, and no public
       key twice among its validators and nodes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from consensus.types import Validator, ValidatorSet
from genesis.errors import GenesisDocumentError
from genesis.protocol import PROTOCOL_VERSION
from vm.chain_records import ValidatorEntry
from vm.genesis_state import GenesisState, genesis_changes
from vm.params import Params
from vm.primitives.codec import CodecError, check_value, decode, encode
from vm.primitives.hashing import sha256
from vm.primitives.keys import is_acceptable_key
from vm.primitives.units import MAX_INT, is_lower_hex, is_slug
from vm.runtime import Runtime

MIN_VALIDATORS = 4
MAX_VALIDATORS = 256
"""`consensus.types` has the same bounds; a test holds the two together."""

DEFAULT_STATE_DEPTH = 4
MAX_STATE_DEPTH = 5
"""16^4 buckets by default, 16^5 above some 5 million keys (docs/performance.md, point 5)."""


class GenesisValidator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A validator of the first set: its public key in hex, and its brand."""

    public_key: str
    brand: str


class GenesisDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The document's fields.

    Attributes:
        name: the first part of the chain's name, a slug.
        time: block time of the genesis state, ms.
        state_depth: the state tree has 16^state_depth buckets.
        nodes: public keys (hex) of permitted full nodes that are no validators.
        ops: [call, args] pairs executed with governance's authority: brands, roles, programs.
    """

    name: str
    time: int
    validators: list[GenesisValidator]
    ops: list[tuple[str, dict[str, Any]]]
    version: int = PROTOCOL_VERSION
    state_depth: int = DEFAULT_STATE_DEPTH
    nodes: list[str] = []
    params: Params = Params()


class Genesis:
    """A checked genesis document and what follows from it."""

    def __init__(self, document: GenesisDocument, value: Any = None) -> None:
        """Check a document; `value` is the plain value it was read from, which its hash covers as it is."""
        problems = _problems(document)
        if problems:
            raise GenesisDocumentError(problems)
        self.document = document
        self.value: Any = msgspec.to_builtins(document) if value is None else value
        self.canonical: bytes = encode(self.value)
        self.digest: bytes = sha256(self.canonical)
        self.chain: str = f"{document.name}-{self.digest.hex()[:16]}"

    @classmethod
    def from_json(cls, text: bytes | str) -> Genesis:
        """Read a document.

        Raises:
            GenesisDocumentError: with everything that is wrong.
        """
        try:
            value = msgspec.json.decode(text)
            repeated = _repeated_names(text)
            if repeated:
                raise GenesisDocumentError([f"the name {name!r} stands twice in one object" for name in repeated])
            genesis = cls(msgspec.convert(value, GenesisDocument), value)
            check_value(value)
            return genesis
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise GenesisDocumentError([str(error)]) from None

    @classmethod
    def from_canonical(cls, data: bytes) -> Genesis:
        """Read the canonical bytes back, as stored by a node."""
        try:
            value = decode(data)
            return cls(msgspec.convert(value, GenesisDocument), value)
        except (msgspec.MsgspecError, CodecError) as error:
            raise GenesisDocumentError([str(error)]) from None

    @classmethod
    def load(cls, path: Path) -> Genesis:
        """Read a document from a file.

        Raises:
            GenesisDocumentError: the file cannot be read, or something in it is wrong.
        """
        try:
            text = path.read_bytes()
        except OSError as error:
            raise GenesisDocumentError([f"{path} cannot be read: {error.strerror}"]) from None
        return cls.from_json(text)

    def to_json(self) -> str:
        """Return the document as indented JSON."""
        return msgspec.json.format(msgspec.json.encode(self.value), indent=2).decode() + "\n"

    @cached_property
    def validators(self) -> tuple[ValidatorEntry, ...]:
        """The first validator set, sorted by key."""
        entries = [ValidatorEntry(bytes.fromhex(v.public_key), v.brand) for v in self.document.validators]
        return tuple(sorted(entries, key=lambda entry: entry.public_key))

    @cached_property
    def validator_set(self) -> ValidatorSet:
        """The first validator set, as certificates are judged by it."""
        return validator_set_of(self.validators)

    def genesis_state(self, runtime: Runtime) -> GenesisState:
        """Execute the operations; return the state at height 0.

        Raises:
            vm.errors.GenesisError: an operation is refused.
        """
        document = self.document
        return genesis_changes(
            runtime,
            self.chain,
            document.time,
            document.params,
            self.validators,
            [bytes.fromhex(key) for key in document.nodes],
            document.ops,
        )


def _problems(document: GenesisDocument) -> list[str]:
    found = []
    if not is_slug(document.name):
        found.append("name must be a slug ([a-z0-9][a-z0-9-]{1,31})")
    if not 0 <= document.time <= MAX_INT:
        found.append("time must be milliseconds since 1970, up to 2^53 − 1")
    if document.version != PROTOCOL_VERSION:
        found.append(f"version must be {PROTOCOL_VERSION}")
    if not 1 <= document.state_depth <= MAX_STATE_DEPTH:
        found.append(f"state_depth must be 1 to {MAX_STATE_DEPTH}")
    found += [f"params: {problem}" for problem in document.params.problems()]
    found += _key_problems(document)
    try:
        check_value(msgspec.to_builtins(document))
    except CodecError as error:
        found.append(f"ops: {error}")
    return found


def _key_problems(document: GenesisDocument) -> list[str]:
    found = []
    if len(document.validators) < MIN_VALIDATORS:
        found.append(f"validators: at least {MIN_VALIDATORS}, not {len(document.validators)}")
    if len(document.validators) > MAX_VALIDATORS:
        found.append(f"validators: at most {MAX_VALIDATORS}, not {len(document.validators)}")
    places: dict[str, list[str]] = {}
    for validator in document.validators:
        places.setdefault(validator.public_key, []).append(f"validator of {validator.brand}")
    for key in document.nodes:
        places.setdefault(key, []).append("full node")
    for key, uses in places.items():
        if len(key) != 64 or not is_lower_hex(key):
            found.append(f"{key!r} is not a public key (64 hex digits)")
        elif not is_acceptable_key(bytes.fromhex(key)):
            found.append(f"{key} ({uses[0]}) is not a public key: it is of small order or not in canonical form")
        if len(uses) > 1:
            found.append(f"the public key {key} stands twice among validators and nodes: {', '.join(uses)}")
    found += [f"validators: {v.brand!r} is not a slug" for v in document.validators if not is_slug(v.brand)]
    return found


def validator_set_of(entries: Iterable[ValidatorEntry]) -> ValidatorSet:
    """Return entries of the state as the set that certificates are judged by.

    Raises:
        ValueError: they are no set: too few, too many, or a key twice.
    """
    return ValidatorSet(Validator(entry.public_key, entry.brand) for entry in entries)


def _repeated_names(text: bytes | str) -> list[str]:
    """Return the names that stand twice in one JSON object."""
    found: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        names: set[str] = set()
        for name, _ in pairs:
            if name in names:
                found.append(name)
            names.add(name)

    json.loads(text, object_pairs_hook=look)
    return found
