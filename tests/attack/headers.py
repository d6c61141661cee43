"""Attacks 11 and 12: a web page whose name leads to the node (DNS rebinding), bad HTTP of many addresses."""

from __future__ import annotations

import asyncio
import collections
import time
from typing import Any, Final, NamedTuple

from tests.attack.scene import ORDINARY_TILL, Attacker, Options, Scene
from tests.attack.target import Target
from tests.attack.verdict import Row
from tests.attack.wire import Wire, calls, request

ADDRESSES: Final = 3_000
SAME_ADDRESS: Final = 1_000
BAD_REQUEST: Final = b"GET / HTTP/1.1\r\nX: \x00" + b"A" * 200 + b"\r\n\r\n"
ANSWER_SECONDS: Final = 2.0


class Headers(NamedTuple):
    """A request's Host and Origin, and whether it is to be answered; `{port}` is the node's."""

    host: str
    origin: str | None
    answered: bool


CASES: Final = (
    Headers("localhost", None, True),
    Headers("localhost:{port}", None, True),
    Headers("127.0.0.1:{port}", None, True),
    Headers("[::1]:{port}", None, True),
    Headers("evil.example", None, False),
    Headers("evil.example:{port}", None, False),
    Headers("localhost.evil.example", None, False),
    Headers("127.0.0.1.evil.example:{port}", None, False),
    Headers("localhost:{port}", "https://evil.example", False),
    Headers("127.0.0.1:{port}", "null", False),
)


async def pages(target: Target, ready: asyncio.Event, *, seconds: float) -> dict[str, Any]:
    """Send what a browser would send for a page of another site."""
    port = target.ports[ORDINARY_TILL]
    wrong = []
    ready.set()
    for case in CASES:
        fields = {"Host": case.host.format(port=port)}
        if case.origin is not None:
            fields["Origin"] = case.origin
        wire = await Wire.open(port, "127.0.11.1")
        answer = await wire.exchange(request(calls([("node_info", {})]), fields), ANSWER_SECONDS)
        wire.close()
        answered = answer.status == 200 and b'"result"' in answer.body
        if answered is not case.answered:
            wrong.append(f"{fields} is {'answered' if answered else f'refused with {answer.status}'}")
    return {"headers": len(CASES), "wrong": wrong}


async def bad_http(target: Target, ready: asyncio.Event, *, seconds: float) -> dict[str, Any]:
    """Send a request that is no HTTP from each of many addresses, then many from one."""
    counts: collections.Counter[str] = collections.Counter()
    sources = [f"127.20.{number // 250}.{number % 250 + 1}" for number in range(ADDRESSES)]
    ready.set()
    end = time.monotonic() + seconds
    for source in [*sources, *["127.20.99.1"] * SAME_ADDRESS]:
        if time.monotonic() > end:
            break
        wire = await Wire.open(target.ports[ORDINARY_TILL], source)
        wire.write(BAD_REQUEST)
        try:
            answer = await asyncio.wait_for(wire.answer(), ANSWER_SECONDS)
            counts[f"HTTP {answer.status}"] += 1
        except (OSError, TimeoutError):
            counts["hung up"] += 1
        wire.close()
    return dict(counts)


async def old_http(target: Target, ready: asyncio.Event, *, seconds: float) -> dict[str, Any]:
    """Ask as browsers did before there were headers."""
    ready.set()
    found = {}
    for line in (
        b"GET /health\r\n\r\n",
        b"GET /health HTTP/0.9\r\n\r\n",
        b"GET /metrics HTTP/0.9\r\nHost: localhost\r\n\r\n",
    ):
        wire = await Wire.open(target.ports[ORDINARY_TILL], "127.0.12.1")
        wire.write(line)
        found[line.decode().strip()] = (await wire.rest(ANSWER_SECONDS))[:40].decode(errors="replace")
        wire.close()
    return {"answers": found}


def play(options: Options) -> list[Row]:
    """Run all three, on one network."""
    with Scene(options) as scene:
        return [_pages(scene), *_bad_http(scene), _old_http(scene)]


def _pages(scene: Scene) -> Row:
    done = scene.run(Attacker("headers", "pages"))
    wrong = done.pop("wrong")
    return Row("host and origin", "a web page", done, ended=tuple(scene.ended()), faults=tuple(wrong))


def _bad_http(scene: Scene) -> list[Row]:
    return scene.measure(
        "bad HTTP", "anonymous, 3,000 addresses", [Attacker("headers", "bad_http")], slow_is_a_fault=False
    )


def _old_http(scene: Scene) -> Row:
    answers = scene.run(Attacker("headers", "old_http"))["answers"]
    faults = [f"{line!r} is answered with 200" for line, answer in answers.items() if " 200 " in answer]
    done = {"requests": len(answers), "refused": len(answers) - len(faults)}
    return Row("HTTP/0.9", "anonymous", done, ended=tuple(scene.ended()), faults=tuple(faults))
