"""Frames that no correct node sends: random ones from fresh keys, and a table of hostile ones.

`from_fresh_keys` is for a stranger: each connection has a key of its own, completes TLS and sends noise. The
integration tests run a few hundred against a node with an open door; `make attack` may run any number against a
real node. `HOSTILE_FRAMES` is what a permitted peer may try.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from network.certificates import SERVER_NAME, make_contexts
from network.framing import encode_frame
from network.kinds import RULES, Kind
from network.messages import MAX_BLOCKS_PER_REQUEST, MAX_LINKS, Hello, encode_message
from vm.primitives.codec import encode
from vm.primitives.keys import SigningKey

PARALLEL: Final = 8
PATIENCE_SECONDS: Final = 30.0
MAX_NOISE_BYTES: Final = 2_000


@dataclass(slots=True)
class Tally:
    """How the connections of strangers ended."""

    hung_up: int = 0
    """TLS was completed, and the node then closed without a byte."""
    turned_away: int = 0
    """The node closed before TLS was completed."""
    served: int = 0
    """The node sent something, or left the connection open: a fault."""


def random_frame(rng: random.Random) -> bytes:
    """Return noise: raw bytes, or a frame of a kind that exists around random bytes."""
    noise = rng.randbytes(rng.randrange(1, MAX_NOISE_BYTES))
    kind = rng.choice(list(Kind))
    return noise if rng.random() < 0.5 else encode_frame(kind, noise[: RULES[kind].max_bytes])


async def from_fresh_keys(
    port: int, chain: str, count: int, *, seed: int = 1, host: str = "127.0.0.1", parallel: int = PARALLEL
) -> Tally:
    """Send random frames from `count` keys that the chain does not list, and tell how each ended."""
    tally = Tally()
    rng = random.Random(seed)
    jobs = iter([(rng.randbytes(32), rng.randrange(2**32)) for _ in range(count)])

    async def work() -> None:
        for key_seed, noise_seed in jobs:
            await _one(host, port, chain, SigningKey(key_seed), random.Random(noise_seed), tally)

    await asyncio.gather(*(work() for _ in range(parallel)))
    return tally


async def _one(host: str, port: int, chain: str, key: SigningKey, rng: random.Random, tally: Tally) -> None:
    context = make_contexts(chain, key).client
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=SERVER_NAME)
    except (OSError, ssl.SSLError):
        tally.turned_away += 1
        return
    try:
        for _ in range(rng.randrange(1, 4)):
            writer.write(random_frame(rng))
        async with asyncio.timeout(PATIENCE_SECONDS):
            answer = await reader.read(1)
    except TimeoutError:
        answer = b"open"
    except (OSError, ssl.SSLError):
        answer = b""
    finally:
        writer.transport.abort()
    if answer:
        tally.served += 1
    else:
        tally.hung_up += 1


def _repeated_hello() -> bytes:
    return encode_message(Hello(chain="demo-0123456789abcdef", version=1, height=0, instance=bytes(16)))


HOSTILE_FRAMES: Final[Mapping[str, bytes]] = {
    "an empty frame": b"\0\0\0\0\0",
    "kind 0": b"\0\0\0\x05\0xxxx",
    "a kind that does not exist": b"\0\0\0\x05\xffxxxx",
    "the greatest length": b"\xff\xff\xff\xff" + bytes((Kind.CONSENSUS,)),
    "a byte over the kind's limit": (RULES[Kind.CONSENSUS].max_bytes + 2).to_bytes(4, "big")
    + bytes((Kind.CONSENSUS,)),
    "a PING as long as a block": (RULES[Kind.BLOCKS].max_bytes).to_bytes(4, "big") + bytes((Kind.PING,)),
    "nothing inside": encode_frame(Kind.STATUS, b""),
    "another type": encode_frame(Kind.PING, encode("1")),
    "a map in place of an array": encode_frame(Kind.PING, encode({"id": 1})),
    "a map with a key twice": encode_frame(Kind.PING, b"\x82\xa2id\x01\xa2id\x02"),
    "a field too many": encode_frame(Kind.PING, encode([1, 2])),
    "a field too few": encode_frame(Kind.GET_BLOCKS, encode([1, 2])),
    "bytes after the end": encode_frame(Kind.PING, encode([1]) + b"\0"),
    "cut off in the middle": encode_frame(Kind.GET_CANDIDATE, encode([1, bytes(32)])[:-1]),
    "an integer not in its shortest form": encode_frame(Kind.PING, b"\x91\xcc\x01"),
    "a string not in its shortest form": encode_frame(Kind.GET_STATE_CHUNK, b"\x94\x01\x01\xd9\x01a\x01"),
    "a negative number": encode_frame(Kind.PING, b"\x91\xff"),
    "a number beyond all": encode_frame(Kind.PING, b"\x91\xcf" + b"\xff" * 8),
    "a float": encode_frame(Kind.PING, b"\x91\xcb" + bytes(8)),
    "a boolean for a number": encode_frame(Kind.PING, b"\x91\xc3"),
    "an extension type": encode_frame(Kind.PING, b"\x91\xd4\x05\x00"),
    "a string that is not UTF-8": encode_frame(Kind.GET_STATE_CHUNK, b"\x94\x01\x01\xa1\xff\x01"),
    "nesting without end": encode_frame(Kind.TRANSACTIONS, b"\x91" * RULES[Kind.TRANSACTIONS].max_bytes),
    "an array longer than its frame": encode_frame(Kind.TRANSACTIONS, b"\x92\xc3\xdd\xff\xff\xff\xff"),
    "bytes longer than their frame": encode_frame(Kind.CANDIDATE, b"\x92\x01\xc6\xff\xff\xff\xff"),
    "more links than may be": encode_frame(Kind.LINKS, encode([[bytes(32)] * (MAX_LINKS + 1)])),
    "a short key": encode_frame(Kind.LINKS, encode([[bytes(31)]])),
    "port 0": encode_frame(Kind.ADDRESSES, encode([[[bytes(32), "1.2.3.4", 0]]])),
    "no blocks": encode_frame(Kind.GET_BLOCKS, encode([1, 1, 0])),
    "too many blocks": encode_frame(Kind.GET_BLOCKS, encode([1, 1, MAX_BLOCKS_PER_REQUEST + 1])),
    "a transaction of nothing": encode_frame(Kind.TRANSACTIONS, encode([True, [b""]])),
    "a second HELLO": encode_frame(Kind.HELLO, _repeated_hello()),
    "a reply that is none": encode_frame(Kind.BLOCKS, b"\xff"),
}
"""Each drops its sender; by what it is."""
