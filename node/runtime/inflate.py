"""Inflating what others have compressed: the one place of the product that does, and always with a bound.

Deflate makes a thousand bytes of one, so what a short input becomes is known only by its bound. Nothing else that
comes from outside is compressed: frames between nodes and RPC bodies are not, and the client refuses answers that
are (node/client/rpc_client.py).
"""

from __future__ import annotations

import zlib


class InflateError(Exception):
    """The input is not one whole zlib stream, or becomes more than the caller takes; says which."""


def inflate(data: bytes, limit: int) -> bytes:
    """Return what a zlib stream becomes, in memory of at most `limit` bytes beside the input.

    Raises:
        InflateError: it becomes more, or is not exactly one stream.
    """
    stream = zlib.decompressobj()
    try:
        value = stream.decompress(data, limit + 1)  # one more, to tell "as much as may be" from "more"
    except zlib.error as error:
        raise InflateError(f"is damaged: {error}") from None
    if len(value) > limit:
        raise InflateError(f"inflates to more than {limit} bytes")
    if not stream.eof or stream.unused_data or stream.unconsumed_tail:
        raise InflateError("is not one compressed value")
    return value
