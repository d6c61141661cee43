"""Which transfers a block of neo-go holds, read off its raw bytes."""

from __future__ import annotations

HEADER_BYTES = 4 + 32 + 32 + 8 + 8 + 4 + 1 + 20
"""Version, previous hash, Merkle root, time, nonce, index, primary, next consensus."""


def nonces_in(block: bytes, length: int) -> list[int]:
    """Return the nonces of a block's transactions, all of which have the same length."""
    at = HEADER_BYTES + 1
    for _ in range(2):  # The witness: an invocation and a verification script.
        size, at = _varint(block, at)
        at += size
    count, at = _varint(block, at)
    if len(block) != at + count * length:
        raise RuntimeError("a block holds other transactions than our transfers")
    return [int.from_bytes(block[start + 1 : start + 5], "little") for start in range(at, len(block), length)]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    first = data[at]
    if first < 0xFD:
        return first, at + 1
    size = {0xFD: 2, 0xFE: 4, 0xFF: 8}[first]
    return int.from_bytes(data[at + 1 : at + 1 + size], "little"), at + 1 + size
