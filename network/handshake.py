"""The HELLO exchange and which of two connections to keep; pure.

TLS has settled who the peer is; HELLO settles that both mean the same chain and protocol, and tells
this start of the peer (`instance`) from earlier ones. Both sides send theirs at once, and nothing
else is accepted before it.

When two nodes dial each other at the same time, both must drop the same connection without
talking about it: the one dialled by the smaller key stays. That rule alone would prefer the dead
connection of a peer that crashed and came back, so a new instance always wins.
"""

from __future__ import annotations

from network.errors import OutOfPlace, WrongChain
from network.kinds import Kind
from network.messages import PROTOCOL_VERSION, Hello, decode


def read_hello(chain: str, kind: Kind, payload: bytes) -> Hello:
    """Return the peer's HELLO, its first frame.

    Raises:
        OutOfPlace: the first frame is something else.
        MalformedFrame: it is not the canonical form of a HELLO.
        WrongChain: it speaks for another chain or protocol version.
    """
    if kind is not Kind.HELLO:
        raise OutOfPlace(f"{kind.name} before HELLO")
    hello = decode(kind, payload)
    assert isinstance(hello, Hello)
    if hello.chain != chain or hello.version != PROTOCOL_VERSION:
        raise WrongChain("another chain or protocol version")
    return hello


def keeps_newcomer(
    own_key: bytes,
    peer_key: bytes,
    *,
    same_instance: bool,
    standing_dialled_by_us: bool,
    newcomer_dialled_by_us: bool,
) -> bool:
    """Tell whether a second connection to a key replaces the standing one.

    A newcomer from the same side as the standing connection wins, since nobody dials a peer whom
    he believes to be connected: the standing one has ended at the other side.
    """
    if not same_instance or standing_dialled_by_us == newcomer_dialled_by_us:
        return True
    return newcomer_dialled_by_us == (own_key < peer_key)
