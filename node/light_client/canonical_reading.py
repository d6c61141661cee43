"""Reading canonical bytes that others sent, before anything of them is believed; what is wrong is NotCertified."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from consensus.trust import NotCertified
from consensus.types import (
    Block,
    Certificate,
    Header,
    Validator,
    ValidatorSet,
    decode_block,
    decode_certificate,
    decode_header,
)
from vm.primitives.codec import CodecError

T = TypeVar("T")


def read_block(data: bytes) -> Block:
    """Return a block.

    Raises:
        NotCertified: the bytes are none.
    """
    return _read(decode_block, data, "block")


def read_header(data: bytes) -> Header:
    """Return a header; raises as `read_block`."""
    return _read(decode_header, data, "header")


def read_certificate(data: bytes) -> Certificate:
    """Return a certificate; raises as `read_block`."""
    return _read(decode_certificate, data, "certificate")


def read_validators(pairs: Iterable[tuple[bytes, str]]) -> ValidatorSet:
    """Return the set of these public keys and brands; raises as `read_block`."""
    try:
        return ValidatorSet(Validator(key, brand) for key, brand in pairs)
    except ValueError as error:
        raise NotCertified(f"no validator set: {error}") from None


def _read(decoder: Callable[[bytes], T], data: bytes, what: str) -> T:
    try:
        return decoder(data)
    except CodecError as error:
        raise NotCertified(f"no {what}: {error}") from None
