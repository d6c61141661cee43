"""The errors of the network, by whose fault they are.

NetworkError
├── PeerError              the peer's fault: its connection is scored, then dropped
│   ├── MalformedFrame     bytes that are no frame or no message
│   ├── OversizedFrame     longer than its kind allows
│   ├── NotPermitted       the certificate's key is none that may speak here
│   ├── WrongChain         a HELLO for another chain or protocol
│   └── OutOfPlace         well-formed, but not what the protocol lets a peer send now
├── RequestError           a request that was not answered; not necessarily a fault
│   ├── RequestTimeout
│   ├── PeerGone
│   └── TooManyRequests    our own bound on requests in flight
├── NotTls                 a stranger's bytes that begin no TLS handshake; there is no key yet to score
└── ConfigurationError     our own operator's fault
"""

from __future__ import annotations

from network.scoring import Offence


class NetworkError(Exception):
    """Base of all errors of this package."""


class PeerError(NetworkError):
    """A peer did what the protocol forbids; handlers may raise it to have the peer scored."""

    offence: Offence = Offence.MALFORMED


class MalformedFrame(PeerError):
    """Bytes that are no frame or no message."""


class OversizedFrame(PeerError):
    """A frame longer than its kind allows."""

    offence = Offence.OVERSIZED


class NotPermitted(PeerError):
    """The certificate's key is not the one dialled, or not in the chain's node list."""

    offence = Offence.NOT_PERMITTED


class WrongChain(PeerError):
    """The peer speaks for another chain or another version of the protocol."""

    offence = Offence.WRONG_CHAIN


class OutOfPlace(PeerError):
    """A well-formed frame that the protocol does not allow at this point."""

    offence = Offence.OUT_OF_PLACE


class RequestError(NetworkError):
    """A request came to no answer."""


class RequestTimeout(RequestError):
    """The peer did not answer in time."""


class PeerGone(RequestError):
    """The connection ended, or the frame could not be queued, before the answer came."""


class TooManyRequests(RequestError):
    """As many requests as allowed are in flight to this peer already."""


class NotTls(NetworkError):
    """A stranger's bytes that begin no TLS handshake."""


class ConfigurationError(NetworkError):
    """Our own configuration makes no sense."""
