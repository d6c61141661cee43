"""Which handler a path and a method reach, and what is said where there is none."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from node.gateway.routes import ANY_TEXT, Handler, Routes


def told(name: str) -> Handler:
    async def handler(request: web.BaseRequest) -> web.Response:
        return web.Response(text=name)

    return handler


ROUTES = Routes(told("call"), {"/health": told("health"), "/nft/" + ANY_TEXT: told("badge")})


async def answer(method: str, path: str) -> tuple[int, str | None, str | None]:
    """Return status, text, and the methods that are allowed."""
    response = await ROUTES.answer(make_mocked_request(method, path))
    assert isinstance(response, web.Response)
    return response.status, response.text, response.headers.get("Allow")


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/", "call"),
        ("POST", "/?key=value", "call"),
        ("GET", "/health", "health"),
        ("HEAD", "/health", "health"),
        ("GET", "/health?now", "health"),
        ("GET", "/%68ealth", "health"),
        ("GET", "/nft/", "badge"),
        ("GET", "/nft/club/1.svg", "badge"),
        ("HEAD", "/nft/club/more/1.svg", "badge"),
        ("GET", "/nft/club%2F1.svg", "badge"),
        ("GET", "/nft/club/1.svg%0A", "badge"),
    ],
)
async def test_a_path_reaches_its_handler(method: str, path: str, name: str) -> None:
    assert await answer(method, path) == (200, name, None)


@pytest.mark.parametrize(
    ("path", "allowed", "words"),
    [
        ("/", "POST", "JSON-RPC 2.0: POST a request\n"),
        ("/health", "GET, HEAD", None),
        ("/nft/club/1.svg", "GET, HEAD", None),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "PATCH", "DELETE"])
async def test_another_method_is_told_those_that_there_are(
    method: str, path: str, allowed: str, words: str | None
) -> None:
    assert await answer(method, path) == (405, words, allowed)


async def test_the_methods_of_one_path_are_not_those_of_another() -> None:
    assert (await answer("GET", "/"))[0] == 405
    assert (await answer("HEAD", "/"))[0] == 405
    assert (await answer("POST", "/health"))[0] == 405


@pytest.mark.parametrize("path", ["/nothing", "/health/", "//", "/health/more", "/nft", "/HEALTH", "/%2F", "*"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_another_path_is_not_found(method: str, path: str) -> None:
    assert await answer(method, path) == (404, "not found\n", None)
