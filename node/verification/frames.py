"""What goes between a node and a verification worker, over a socket pair.

    greeting  worker → node     8 bytes, once it can work
    frame     node → worker     size u32, id u32, count u16, then for each check: key 32, signature 64, length u32,
                                message with its domain tag in front
    answer    worker → node     id u32, count u16, then a bit for each check, lowest first, 1 for valid

Integers are big-endian; a size counts what follows it. The greeting names the format: where another release is
installed over a running node, a worker that starts later is of that one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct, error
from typing import TYPE_CHECKING, Final

from vm.primitives.keys import PUBLIC_KEY_BYTES, SIGNATURE_BYTES

if TYPE_CHECKING:  # a worker needs none of what transactions need
    from vm.transaction import SignatureCheck

GREETING: Final = b"entente\x01"

MAX_FRAME_BYTES: Final = 256 * 1024
"""A slice of admission has 24 KiB, and one transaction more: at most 128 KiB, with one signer."""

MAX_CHECKS: Final = 2_048
"""More checks than this do not fit into a frame."""

SIZE: Final = Struct(">I")
_HEAD: Final = Struct(">IH")
_LENGTH: Final = Struct(">I")
_CHECK_BYTES: Final = PUBLIC_KEY_BYTES + SIGNATURE_BYTES + _LENGTH.size


class BadFrame(Exception):
    """Bytes that the other end cannot have meant: one of the two is broken."""


def frame_of(ident: int, checks: Sequence[SignatureCheck]) -> bytes | None:
    """Return the frame that asks for some checks, None where they are more than a frame takes."""
    if len(checks) > MAX_CHECKS:
        return None
    size = _HEAD.size
    parts = [b"", _HEAD.pack(ident, len(checks))]
    for domain, key, message, signature in checks:
        length = len(domain) + len(message)
        size += _CHECK_BYTES + length
        parts += (key, signature, _LENGTH.pack(length), domain, message)
    if size > MAX_FRAME_BYTES:
        return None
    parts[0] = SIZE.pack(size)
    return b"".join(parts)


def read_frame(frame: bytes) -> tuple[int, Iterator[tuple[bytes, bytes, bytes]]]:
    """Return the id of a frame without its size, and what yields (key, signature, message with its domain).

    Raises (the iterator as well):
        BadFrame: it is not whole, or has something behind its end.
    """
    try:
        ident, count = _HEAD.unpack_from(frame)
    except error:
        raise BadFrame("a frame without a head") from None
    return ident, _checks(frame, count)


def _checks(frame: bytes, count: int) -> Iterator[tuple[bytes, bytes, bytes]]:
    at = _HEAD.size
    for _ in range(count):
        head = at + _CHECK_BYTES
        if head > len(frame):
            raise BadFrame("a frame that ends within a check")
        (length,) = _LENGTH.unpack_from(frame, head - _LENGTH.size)
        end = head + length
        if end > len(frame):
            raise BadFrame("a frame that ends within a message")
        signature_at = at + PUBLIC_KEY_BYTES
        yield frame[at:signature_at], frame[signature_at : signature_at + SIGNATURE_BYTES], frame[head:end]
        at = end
    if at != len(frame):
        raise BadFrame("a frame with something behind its end")


def answer_to(ident: int, verdicts: Sequence[bool]) -> bytes:
    """Return the answer to a frame: one verdict for each of its checks."""
    bits = 0
    for index, verdict in enumerate(verdicts):
        bits |= verdict << index
    return _HEAD.pack(ident, len(verdicts)) + bits.to_bytes((len(verdicts) + 7) // 8, "little")


def answer_bytes(count: int) -> int:
    """Return how long the answer to so many checks is."""
    return _HEAD.size + (count + 7) // 8


def read_answer(answer: bytes, ident: int, count: int) -> int:
    """Return the bits of the answer to a frame, the first check's lowest.

    Raises:
        BadFrame: it is the answer to another frame, or says more than was asked.
    """
    if _HEAD.unpack_from(answer) != (ident, count):
        raise BadFrame(f"not the answer to frame {ident}")
    bits = int.from_bytes(answer[_HEAD.size :], "little")
    if bits >> count:
        raise BadFrame(f"an answer to more than {count} checks")
    return bits
