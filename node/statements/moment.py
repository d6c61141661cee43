"""A node's chain as of one height: what is booked, closed or confirmed meanwhile is not in any of the answers.

A node keeps the state of some heights only (`state_history_blocks`), and searches values of a past one for a
bounded time in each call: then a smaller page is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

from node.client import RpcError
from node.client.page_size import PageSize
from node.statements.errors import StatementError

PAGE: Final = 1_000
"""What a node gives at most."""


class Ask(Protocol):
    """Calls a method of a node."""

    async def __call__(self, method: str, /, **params: Any) -> Any:
        """Return what the node answers."""
        ...


@dataclass(frozen=True, slots=True)
class Moment:
    """Asks contracts' views as of a height."""

    ask: Ask
    chain: str
    height: int

    async def view(self, name: str, **args: Any) -> Any:
        """Return what a view answers.

        Raises:
            RpcError: the node refuses.
            StatementError: it no longer keeps the state of this height.
        """
        try:
            answer = await self.ask("state_view", view=name, args=args, height=self.height)
        except RpcError as error:
            if error.reason != "STATE_PRUNED":
                raise
            raise StatementError(
                f"the node no longer has the state of height {self.height}; ask one that keeps more of them "
                "(state_history_blocks), or while fewer blocks are made"
            ) from None
        return answer["result"]

    async def items(self, name: str, **args: Any) -> list[Any]:
        """Return all items of a view that answers pages; raises as `view`."""
        found: list[Any] = []
        cursor: dict[str, str] = {}
        size = PageSize(PAGE)
        while True:
            try:
                page = await self.view(name, **args, limit=size.limit, **cursor)
            except RpcError as error:
                if error.reason != "OUT_OF_BUDGET" or not size.shrink():
                    raise
                continue
            size.grow()
            found += page["items"]
            if page["next"] is None:
                return found
            cursor = {"cursor": page["next"]}


async def moment_of(ask: Ask) -> Moment:
    """Return the moment of a node's head; raises RpcError."""
    info = await ask("node_info")
    return Moment(ask, info["chain"], info["height"])
