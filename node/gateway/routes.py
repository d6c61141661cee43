"""Which handler answers a path and a method: aiohttp's router, and before it a direct way for JSON-RPC.

A path is known whole: with a slash at its end it is another one. HEAD is answered where GET is. A method that a
path does not have is 405 with those that it has (OPTIONS too: no CORS header is ever sent).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, cast

from aiohttp import web

ANY_TEXT: Final = "{rest:(?s:.*)}"
"""As the end of a path: whatever follows, line breaks too."""

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Routes:
    """The paths of one server.

    Args:
        call: answers `POST /`.
        pages: answer GET and HEAD, by path.
    """

    def __init__(self, call: Handler, pages: Mapping[str, Handler]) -> None:
        self._call = call
        self._router = web.UrlDispatcher()
        self._router.add_post("/", call)
        for path, page in pages.items():
            self._router.add_get(path, page)
        self._router.freeze()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request by its handler, or say why there is none."""
        # A busy node answers thousands of calls a second, and for each the router would take time of its own.
        if request.path == "/" and request.method == "POST":
            return await self._call(request)
        # It reads path and method only, which every request has.
        match = await self._router.resolve(cast(web.Request, request))
        problem = match.http_exception
        if problem is None:
            return await match.handler(cast(web.Request, request))
        if isinstance(problem, web.HTTPMethodNotAllowed):
            return _another_method(sorted(problem.allowed_methods))
        return web.Response(status=404, text="not found\n")


def _another_method(allowed: list[str]) -> web.Response:
    words = "JSON-RPC 2.0: POST a request\n" if "POST" in allowed else None
    return web.Response(status=405, headers={"Allow": ", ".join(allowed)}, text=words)
