"""Attack 15: strangers on the peers' port, each with a key of its own or without TLS, send random frames."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import random
import ssl
import time
from typing import Any, Final

from network.certificates import SERVER_NAME, make_contexts
from network.kinds import Kind
from tests.attack.links import links
from tests.attack.scene import Attacker, Options, Sampler, Scene, Watch, log_growth, log_sizes, resident
from tests.attack.target import Target, fresh_key
from tests.attack.verdict import Memory, Row
from tests.attack.wire import HOST

PLAIN_SHARE: Final = 0.3
AT_ONCE: Final = 24
SOURCES: Final = 240
"""Enough that no address connects faster than one may."""

CLOSED_SECONDS: Final = 12.0
"""A handshake and a HELLO may take 5 s each."""

FRAMES_PER_SECOND: Final = 15
WATCH_SECONDS: Final = 1.0


async def attack(target: Target, ready: asyncio.Event, *, seconds: float, frames: int, seed: int) -> dict[str, Any]:
    """Send so many frames, one stranger each."""
    counts: collections.Counter[str] = collections.Counter()
    numbers = iter(range(frames))
    ready.set()

    async def work() -> None:
        for number in numbers:
            pick = random.Random(f"{seed}/{number}")
            port = target.peer_ports[number % len(target.peer_ports)]
            await _stranger(target.chain, port, f"127.0.15.{number % SOURCES + 1}", pick, counts)

    await asyncio.gather(*[work() for _ in range(AT_ONCE)])
    return dict(counts)


async def _stranger(
    chain: str, port: int, source: str, pick: random.Random, counts: collections.Counter[str]
) -> None:
    plain = pick.random() < PLAIN_SHARE
    context = None if plain else make_contexts(chain, fresh_key()).client
    counts["without TLS" if plain else "fresh keys"] += 1
    writer = None
    try:
        async with asyncio.timeout(CLOSED_SECONDS):
            reader, writer = await asyncio.open_connection(
                HOST, port, local_addr=(source, 0), ssl=context, server_hostname=None if plain else SERVER_NAME
            )
            writer.write(frame_noise(pick))
            while await reader.read(65_536):
                counts["bytes of the node's"] += 1
            counts["closed"] += 1
    except TimeoutError:
        counts["kept open"] += 1
    except (OSError, ssl.SSLError):
        counts["closed"] += 1
    finally:
        if writer is not None:
            with contextlib.suppress(OSError):
                writer.transport.abort()


def frame_noise(pick: random.Random) -> bytes:
    """Return some frames: of known kinds with random payloads, with wrong lengths, or bytes without a form."""
    kind = pick.randrange(4)
    payload = pick.randbytes(pick.choice((0, 1, 16, 300, 5_000)))
    number = int(pick.choice(list(Kind))) if kind else pick.randrange(256)
    if kind == 3:
        return payload + pick.randbytes(8)
    length = len(payload) + 1 if kind != 2 else pick.choice((0, 1, 2**24, 2**31, 2**32 - 1))
    return (length.to_bytes(4, "big") + bytes((number,)) + payload) * pick.choice((1, 1, 5))


class LinkWatch(Watch):
    """Notes the fewest links that any validator had."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.fewest = min(links(scene))
        super().__init__(WATCH_SECONDS, self._count)

    def _count(self) -> None:
        # -1 is a node that answers late on a busy machine; a link that fell shows in later looks, too.
        self.fewest = min([self.fewest, *(count for count in links(self._scene) if count >= 0)])


def play(options: Options) -> list[Row]:
    """Send the frames, and watch memory and the links between the validators."""
    seconds = options.frames / FRAMES_PER_SECOND + 30.0
    arguments = {"frames": options.frames, "seed": options.seed, "seconds": seconds}
    with Scene(options) as scene:
        scene.network.wait_for(lambda: links(scene) == [3, 3, 3, 3], "every validator has three peers")
        before, logs, began = resident(scene.network), log_sizes(scene.network), time.monotonic()
        with Sampler(scene.network) as sampler, LinkWatch(scene) as watch:
            done = scene.run(Attacker("frames", "attack", arguments))
            after = scene.settled(before)
        done["seconds"] = round(time.monotonic() - began)
        faults = []
        if done.get("kept open"):
            faults.append(f"{done['kept open']} strangers were not shut out within {CLOSED_SECONDS:.0f} s")
        if watch.fewest < 3:
            faults.append(f"a validator had {watch.fewest} of its three links")
        return [
            Row(
                "frames",
                "a stranger at the peers' port",
                done,
                memory=Memory(before, tuple(sampler.peak), after),
                log_kib=log_growth(scene.network, logs),
                ended=tuple(scene.ended()),
                faults=tuple(faults),
            )
        ]
