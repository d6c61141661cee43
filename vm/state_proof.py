"""Proofs that a state key has a value, or none, under a state root (SPEC section 5).

This is what an offline light client runs: it needs `vm.primitives` only. The shape of the tree is
described in docs/state.md. A proof lists, from the root down, the nodes on the path that the
nibbles of SHA-256(key) take: each as the bitmap of its non-empty children and the hashes of those
that are not on the path. The path ends in the key's own leaf, in an empty child, or, where the rest of
a subtree holds exactly one other key, in that key's leaf.

Invariants:
    1. A leaf is hashed with tag 0x00 and a node with tag 0x01, so neither passes for the other.
    2. For one root, depth and key there is exactly one proof that verifies, and it verifies for
       exactly one value (or for absence).
    3. Verification never raises on a malformed proof; it answers False.
"""

from __future__ import annotations

from hashlib import sha256 as _sha256
from typing import Annotated, Any

import msgspec

from vm.primitives.codec import TypedDecoder, encode
from vm.primitives.hashing import HASH_BYTES, ZERO_HASH, sha256
from vm.primitives.units import is_lower_hex

FANOUT = 16
MAX_NIBBLES = 2 * HASH_BYTES
"""The longest path: every nibble of a key hash."""


def leaf_hash(key: bytes, value_hash: bytes) -> bytes:
    """Return the hash of the leaf of `key` (UTF-8 path) whose value hashes to `value_hash`."""
    return _sha256(b"\x00" + len(key).to_bytes(4, "big") + key + value_hash).digest()


def node_hash(bitmap: int, children: bytes) -> bytes:
    """Return the hash of a node from its bitmap and the joined hashes of its non-empty children."""
    return _sha256(b"\x01" + bitmap.to_bytes(2, "big") + children).digest()


def nibble(key_hash: bytes, level: int) -> int:
    """Return nibble number `level` of a key hash, the high half of a byte first."""
    byte = key_hash[level >> 1]
    return byte & 15 if level & 1 else byte >> 4


class ProofNode(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One node on the path.

    Attributes:
        bitmap: bit i is set if child i is not empty; the path's own child included.
        siblings: hashes of the non-empty children that are not on the path, in order.
    """

    bitmap: Annotated[int, msgspec.Meta(ge=0, lt=1 << FANOUT)]
    siblings: tuple[bytes, ...]


class OtherLeaf(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A leaf of another key that stands where the absent key would."""

    key: str
    value_hash: bytes


class StateProof(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Why a key has a value, or none.

    Attributes:
        path: the nodes from the root down, none for an empty tree.
        other: set only for absence shown by another key's leaf.
    """

    path: tuple[ProofNode, ...]
    other: OtherLeaf | None = None

    def to_bytes(self) -> bytes:
        """Return the canonical bytes."""
        return encode(self)

    @staticmethod
    def from_bytes(data: bytes) -> StateProof:
        """Decode canonical bytes, or raise CodecError."""
        return _decoder.decode(data)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, in which hashes are lower-case hex."""
        other = self.other
        return {
            "path": [
                {"bitmap": node.bitmap, "siblings": [sibling.hex() for sibling in node.siblings]}
                for node in self.path
            ],
            "other": None if other is None else {"key": other.key, "value_hash": other.value_hash.hex()},
        }

    @staticmethod
    def from_json(document: Any) -> StateProof:
        """Read the JSON form.

        Raises:
            ValueError: the document has another shape.
        """
        form = msgspec.convert(document, _ProofJson)
        path = tuple(
            ProofNode(node.bitmap, tuple(_unhex(sibling) for sibling in node.siblings)) for node in form.path
        )
        other = None if form.other is None else OtherLeaf(form.other.key, _unhex(form.other.value_hash))
        return StateProof(path, other)


class _NodeJson(msgspec.Struct, forbid_unknown_fields=True):
    bitmap: int
    siblings: list[str]


class _OtherJson(msgspec.Struct, forbid_unknown_fields=True):
    key: str
    value_hash: str


class _ProofJson(msgspec.Struct, forbid_unknown_fields=True):
    path: list[_NodeJson]
    other: _OtherJson | None


def _unhex(text: str) -> bytes:
    if not is_lower_hex(text):
        raise ValueError("not lower-case hex")
    return bytes.fromhex(text)


_decoder = TypedDecoder(StateProof)


def verify_state_proof(root: bytes, depth: int, key: str, value: bytes | None, proof: StateProof) -> bool:
    """Tell whether `proof` shows that `key` has `value` (None: has none) under `root`.

    Args:
        root: the state root, 32 bytes.
        depth: levels of the fixed upper tree: log16 of the genesis parameter bucket_count.
        key: the readable path.
        value: the canonical bytes of the value, or None for absence.
        proof: a proof of any origin.
    """
    key_hash = sha256(key.encode())
    current = _end_of_path(depth, key, key_hash, value, proof)
    if current is None:
        return False
    for level in range(len(proof.path) - 1, -1, -1):
        parent = _fold(proof.path[level], nibble(key_hash, level), current)
        if parent is None:
            return False
        current = parent
    return current == root


def _end_of_path(depth: int, key: str, key_hash: bytes, value: bytes | None, proof: StateProof) -> bytes | None:
    """Return the hash that the path ends in, ZERO_HASH for an empty child, None if malformed."""
    length = len(proof.path)
    if length > MAX_NIBBLES or (value is not None and proof.other is not None):
        return None
    if value is not None:
        end = leaf_hash(key.encode(), sha256(value))
    elif proof.other is None:
        return ZERO_HASH
    else:
        other_hash = sha256(proof.other.key.encode())
        shares_path = all(nibble(other_hash, level) == nibble(key_hash, level) for level in range(length))
        if proof.other.key == key or not shares_path or len(proof.other.value_hash) != HASH_BYTES:
            return None
        end = leaf_hash(proof.other.key.encode(), proof.other.value_hash)
    # Leaves stand inside buckets only, and every bucket lies below `depth` levels of nodes.
    return end if length >= depth else None


def _fold(node: ProofNode, own: int, current: bytes) -> bytes | None:
    """Return the hash of `node` with `current` as its child `own`, None if they do not fit."""
    bitmap, siblings = node.bitmap, node.siblings
    if not 0 < bitmap < 1 << FANOUT:
        return None
    present = current != ZERO_HASH
    if bool(bitmap >> own & 1) != present or len(siblings) + present != bitmap.bit_count():
        return None
    if any(len(sibling) != HASH_BYTES for sibling in siblings):
        return None
    before = (bitmap & ((1 << own) - 1)).bit_count()
    middle = current if present else b""
    return node_hash(bitmap, b"".join(siblings[:before]) + middle + b"".join(siblings[before:]))
