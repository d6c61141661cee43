"""Account addresses: bech32m with prefix `ent` over 20 bytes (SPEC section 1, BIP-350)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache, reduce
from operator import xor

from vm.primitives.hashing import sha256

PREFIX = "ent"
ADDRESS_HASH_BYTES = 20
ADDRESS_LENGTH = len(PREFIX) + 1 + 32 + 6
"""Prefix, separator, 160 bits in 32 characters, checksum."""

_CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_VALUE_OF = {character: value for value, character in enumerate(_CHARSET)}
_BECH32M_CONSTANT = 0x2BC830A3
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_REDUCTION = [
    reduce(xor, (generator for i, generator in enumerate(_GENERATOR) if top >> i & 1), 0) for top in range(32)
]
"""What the five bits that leave the checksum at the top put back into it."""


def _polymod(values: Iterable[int], checksum: int) -> int:
    reduction = _REDUCTION
    for value in values:
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value ^ reduction[checksum >> 25]
    return checksum


_AFTER_PREFIX = _polymod([*(ord(c) >> 5 for c in PREFIX), 0, *(ord(c) & 31 for c in PREFIX)], 1)

_DATA_LENGTH = ADDRESS_LENGTH - len(PREFIX) - 1
_PARTS = [
    {character: _polymod([value] + [0] * (_DATA_LENGTH - 1 - place), 0) for character, value in _VALUE_OF.items()}
    for place in range(_DATA_LENGTH)
]
_PART_OF_PREFIX = _polymod([0] * _DATA_LENGTH, _AFTER_PREFIX)
"""The checksum is linear over GF(2): what each character at each place adds to it, and what the prefix does.

So one is checked in a third of the time, which matters where a stranger sends thousands in one transaction.
"""


def _checksum(data: str) -> int:
    """Return the checksum of an address's characters after `ent1`; raises KeyError for one outside the alphabet.

    Fewer characters are those of an address whose last ones are zero.
    """
    return reduce(xor, map(dict.__getitem__, _PARTS, data), _PART_OF_PREFIX)


def _parts_of_byte(place: int) -> list[int]:
    """Return what each value of a hash's byte adds to the checksum: it is linear, so bit by bit."""
    of_bit = [
        _PARTS[bit // 5][_CHARSET[1 << 4 - bit % 5]] for bit in range(8 * place + 7, 8 * place - 1, -1)
    ]  # the lowest bit first
    return [reduce(xor, (part for i, part in enumerate(of_bit) if value >> i & 1), 0) for value in range(256)]


_PARTS_OF_BYTES = [_parts_of_byte(place) for place in range(ADDRESS_HASH_BYTES)]
_EMPTY_CHECKSUM = _PART_OF_PREFIX ^ _BECH32M_CONSTANT
_CHECKSUM_BITS = 6 * 5


def _spreading_steps() -> list[tuple[int, int, int]]:
    """Return what turns 64 groups of 5 bits into 64 bytes: each step moves the upper half of every block apart.

    A step is the bits of the upper halves, by how much they move, and the bits of the lower halves.
    """
    steps = []
    groups = 64
    while groups > 1:
        half = groups // 2
        starts = range(0, 64 * 8, groups * 8)
        lower = sum(((1 << 5 * half) - 1) << start for start in starts)
        steps.append((lower << 5 * half, 3 * half, lower))
        groups = half
    return steps


_SPREADING = _spreading_steps()
_TO_CHARACTERS = bytes.maketrans(bytes(range(32)), _CHARSET.encode())


def encode_address(hash20: bytes) -> str:
    """Return the bech32m text of a 20-byte account hash.

    Each account that a node meets is encoded once: 1.5 µs, where one character after the other took 5.7.
    """
    if len(hash20) != ADDRESS_HASH_BYTES:
        raise ValueError(f"an account hash has {ADDRESS_HASH_BYTES} bytes, not {len(hash20)}")
    checksum = reduce(xor, map(list.__getitem__, _PARTS_OF_BYTES, hash20), _EMPTY_CHECKSUM)
    bits = int.from_bytes(hash20, "big") << _CHECKSUM_BITS | checksum
    for upper, shift, lower in _SPREADING:
        bits = (bits & upper) << shift | bits & lower
    return PREFIX + "1" + bits.to_bytes(_DATA_LENGTH, "big").translate(_TO_CHARACTERS).decode()


def decode_address(text: str) -> bytes:
    """Return the 20-byte account hash of an address.

    Raises:
        ValueError: wrong prefix, length, character, case or checksum.
    """
    if len(text) != ADDRESS_LENGTH or not text.startswith(PREFIX + "1"):
        raise ValueError("not an address: it begins with ent1 and has 42 characters")
    data = text[len(PREFIX) + 1 :]
    try:
        checksum = _checksum(data)
    except KeyError:
        raise ValueError("not an address: a character outside the bech32 alphabet") from None
    if checksum != _BECH32M_CONSTANT:
        raise ValueError("not an address: the checksum is wrong")
    bits = 0
    for character in data[:-6]:
        bits = bits << 5 | _VALUE_OF[character]
    return bits.to_bytes(ADDRESS_HASH_BYTES, "big")


def is_address(text: str) -> bool:
    """Tell whether `text` is a valid address."""
    # The memory of past answers must not keep the megabytes that a stranger may send in an address's place.
    return len(text) == ADDRESS_LENGTH and _checksum_holds(text)


@lru_cache(maxsize=262_144)
def _checksum_holds(text: str) -> bool:
    """Tell whether a text of the right length is an address; remembered, as the checksum costs some 2 µs."""
    if not text.startswith(PREFIX + "1"):
        return False
    try:
        return _checksum(text[len(PREFIX) + 1 :]) == _BECH32M_CONSTANT
    except KeyError:
        return False


@lru_cache(maxsize=262_144)
def address_of_key(public_key: bytes) -> str:
    """Return the address of an account that is held by one Ed25519 public key (32 bytes)."""
    return encode_address(sha256(public_key)[:ADDRESS_HASH_BYTES])


def address_of_member(brand: str, ref: bytes) -> str:
    """Return the address of a brand's custodial member.

    Args:
        brand: the custodian's slug.
        ref: the 32-byte salted commitment that the brand chose.
    """
    return encode_address(sha256(b"member\0" + brand.encode() + b"\0" + ref)[:ADDRESS_HASH_BYTES])


def address_of_pool(opener: str, name: str) -> str:
    """Return the address of a household pool, which no key holds.

    Args:
        opener: the address of the account that opened it.
        name: the slug by which the opener tells its pools apart.
    """
    return encode_address(sha256(b"pool\0" + opener.encode() + b"\0" + name.encode())[:ADDRESS_HASH_BYTES])
