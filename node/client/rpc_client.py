"""A small asyncio client: calls, batches, and transactions that may be retried without being charged twice.

A transaction is signed once, and the same bytes are sent again after a lost connection: the node answers the
receipt of the first time. Reads are sent again likewise. An error that the node has answered is never retried here:
after TIMEOUT the caller decides, and may `send_raw` the same bytes.

Invariants:
    1. One `send_transaction` makes one id, however often it is sent.
    2. `call` either returns a result or raises ClientError; `batch` gives one outcome for each call, in order.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

import aiohttp
import orjson

from node.client.errors import ConnectionFailed, RpcError
from vm.expiry import expiry_from
from vm.primitives.address import address_of_key
from vm.primitives.keys import SigningKey
from vm.primitives.units import MAX_INT
from vm.transaction import encode_body, sign_body

Call = tuple[str, Mapping[str, Any]]
Op = tuple[str, Mapping[str, Any]]

MAX_ANSWER_BYTES: Final = 128 * 1024 * 1024
"""Four times what a node answers at most unless its operator raises max_response_bytes (node/runtime/config.py)."""

_CHAIN_REASONS: Final = frozenset({"WRONG_CHAIN", "EXPIRED", "EXPIRES_TOO_FAR"})
"""Refusals after which the remembered chain and clock are asked for again: the node may be another one now."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a lost connection is tried again, and how long between.

    Attributes:
        attempts: in all, the first included.
        first_pause_s: doubled each time.
        longest_pause_s: the most it is doubled to.
    """

    attempts: int = 4
    first_pause_s: float = 0.1
    longest_pause_s: float = 2.0

    def pause_s(self, attempt: int) -> float:
        """Return how long to wait after attempt number `attempt`, 0 for the first."""
        return min(self.first_pause_s * 2.0**attempt, self.longest_pause_s)


@dataclass(frozen=True, slots=True)
class _Chain:
    """What a transaction needs to know of the chain: its name, and the block clock as of a moment."""

    name: str
    max_ttl_ms: int
    time_ms: int
    rate: int
    fetched_at: float


class RpcClient:
    """Speaks to one node; use as `async with RpcClient(url) as client`.

    Args:
        url: where the node answers, such as http://127.0.0.1:8545.
        api_key: sent as a bearer key, where the node wants one.
        timeout_s: how long one HTTP exchange may take, beside what the node is asked to wait.
        retries: for lost connections.
        now: monotonic seconds, for tests.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        retries: RetryPolicy | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url.rstrip("/") + "/"
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._timeout_s = timeout_s
        self._retries = retries or RetryPolicy()
        self._now = now
        self._session: aiohttp.ClientSession | None = None
        self._chain: _Chain | None = None
        self._next_id = 0

    async def __aenter__(self) -> RpcClient:
        self._session = aiohttp.ClientSession(
            headers=self._headers, connector=aiohttp.TCPConnector(limit=0), auto_decompress=False
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    # -- calls -------------------------------------------------------------------------------------

    async def call(self, rpc_method: str, /, **params: Any) -> Any:
        """Return the result of one call.

        Raises:
            RpcError: the node answered with an error.
            ConnectionFailed: it did not answer, after all attempts.
        """
        (outcome,) = await self.batch([(rpc_method, params)])
        if isinstance(outcome, RpcError):
            raise outcome
        return outcome

    async def batch(self, calls: Sequence[Call], *, wait_s: float = 0.0) -> list[Any]:
        """Return, for each call in order, its result or its RpcError.

        Args:
            wait_s: how long the node is asked to wait, on top of the client's own timeout.

        Raises:
            ConnectionFailed: the node did not answer, after all attempts.
            RpcError: the node refused the batch as a whole (too long, too many calls).
        """
        if not calls:
            return []
        requests = []
        for method, params in calls:
            self._next_id += 1
            requests.append({"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": params})
        single = len(requests) == 1
        answer = await self._exchange(orjson.dumps(requests[0] if single else requests), wait_s)
        if not single and isinstance(answer, dict):
            raise _error_of(answer)
        answers = {item.get("id"): item for item in ([answer] if isinstance(answer, dict) else answer)}
        if single and None in answers:
            raise _error_of(answers[None])
        return [_outcome(answers.get(request["id"])) for request in requests]

    async def _exchange(self, body: bytes, wait_s: float) -> Any:
        """Post a body and return the JSON answer; a lost connection is tried again."""
        for attempt in range(self._retries.attempts):
            if attempt:
                await asyncio.sleep(self._retries.pause_s(attempt - 1))
            try:
                return await self._post(body, wait_s)
            except ConnectionFailed as error:
                failure = error
        raise failure

    async def _post(self, body: bytes, wait_s: float) -> Any:
        if self._session is None:
            raise ConnectionFailed("the client is closed: use `async with RpcClient(url) as client`")
        timeout = aiohttp.ClientTimeout(total=self._timeout_s + wait_s)
        try:
            async with self._session.post(self.url, data=body, timeout=timeout) as response:
                answer = orjson.loads(await self._body(response))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ConnectionFailed(f"no answer from {self.url}: {error or type(error).__name__}") from None
        except orjson.JSONDecodeError:
            raise ConnectionFailed(f"what answers at {self.url} does not speak JSON-RPC") from None
        if not isinstance(answer, dict) and not (
            isinstance(answer, list) and all(isinstance(item, dict) for item in answer)
        ):
            raise ConnectionFailed(f"what answers at {self.url} does not speak JSON-RPC")
        return answer

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        """Return an answer's bytes, of which a hostile node could send, or compress, any number."""
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise ConnectionFailed(f"{self.url} answers compressed, which nobody has asked for")
        body = bytearray()
        async for piece in response.content.iter_any():
            body += piece
            if len(body) > MAX_ANSWER_BYTES:
                raise ConnectionFailed(f"the answer of {self.url} is longer than {MAX_ANSWER_BYTES} bytes")
        return bytes(body)

    # -- transactions ------------------------------------------------------------------------------

    async def chain(self) -> str:
        """Return the name of the node's chain."""
        return (await self._chain_info()).name

    async def _chain_info(self) -> _Chain:
        if self._chain is None:
            info = await self.call("node_info")
            time_ms = max(info["clock"], info["time"])
            self._chain = _Chain(info["chain"], info["max_tx_ttl_ms"], time_ms, info["clock_rate"], self._now())
        return self._chain

    def forget_chain(self) -> None:
        """Ask the node for its chain and clock again before the next transaction."""
        self._chain = None

    async def sign_transaction(
        self,
        key: SigningKey,
        ops: Sequence[Op],
        *,
        cosigners: Sequence[SigningKey] = (),
        sender: str | None = None,
        nonce: int | None = None,
        expires: int | None = None,
        memo: str | None = None,
    ) -> bytes:
        """Return the canonical bytes of a transaction, signed.

        Args:
            key: signs; its address is the sender unless `sender` says otherwise.
            ops: [(module.method, args), …].
            cosigners: further keys; then the body names all signers.
            sender: an account for which the keys may act though its address is not that of `key`.
            nonce: a fresh random one unless given.
            expires: half of the longest lifetime ahead unless given.
        """
        chain = await self._chain_info()
        keys = [key, *cosigners]
        own_address = address_of_key(key.public_key)
        named = bool(cosigners) or (sender is not None and sender != own_address)
        body = encode_body(
            chain.name,
            sender or own_address,
            secrets.randbelow(MAX_INT + 1) if nonce is None else nonce,
            self._expiry(chain) if expires is None else expires,
            ops,
            [each.public_key for each in keys] if named else (),
            memo,
        )
        return sign_body(body, keys)

    def _expiry(self, chain: _Chain) -> int:
        elapsed_ms = int((self._now() - chain.fetched_at) * 1_000)
        return expiry_from(chain.time_ms + elapsed_ms * chain.rate, chain.max_ttl_ms)

    async def send_transaction(
        self, key: SigningKey, ops: Sequence[Op], *, timeout_ms: int = 30_000, **options: Any
    ) -> dict[str, Any]:
        """Sign, send, wait until final, and return the receipt; a failed contract is a receipt with status failed.

        Further options are those of `sign_transaction`.

        Raises:
            RpcError: the node refused the transaction, or it was not final in time (reason TIMEOUT).
            ConnectionFailed: no answer after all attempts; `send_raw` with the same bytes is safe.
        """
        raw = await self.sign_transaction(key, ops, **options)
        try:
            return await self.send_raw(raw, timeout_ms=timeout_ms)
        except RpcError as error:
            if error.reason in _CHAIN_REASONS:
                self.forget_chain()
            raise

    async def send_raw(self, raw: bytes, *, timeout_ms: int = 30_000) -> dict[str, Any]:
        """Send signed bytes, wait until final, and return the receipt; raises as `send_transaction`."""
        (outcome,) = await self.send_many([raw], timeout_ms=timeout_ms)
        if isinstance(outcome, RpcError):
            raise outcome
        receipt: dict[str, Any] = outcome
        return receipt

    async def send_many(self, raws: Sequence[bytes], *, timeout_ms: int = 30_000) -> list[Any]:
        """Send signed transactions in one batch and wait; a receipt or an RpcError for each, in order."""
        calls: list[Call] = [("tx_send", {"tx": raw.hex(), "timeout_ms": timeout_ms}) for raw in raws]
        return await self.batch(calls, wait_s=timeout_ms / 1_000)

    async def submit_many(self, raws: Sequence[bytes]) -> list[Any]:
        """Send signed transactions in one batch, do not wait; {id, status} or an RpcError for each, in order."""
        return await self.batch([("tx_submit", {"tx": raw.hex()}) for raw in raws])


def _outcome(answer: dict[str, Any] | None) -> Any:
    if answer is None:
        raise ConnectionFailed("the node left a call of the batch unanswered")
    if "error" in answer:
        return _error_of(answer)
    return answer.get("result")


def _error_of(answer: Mapping[str, Any]) -> RpcError:
    error = answer.get("error")
    if not isinstance(error, dict) or not isinstance(error.get("code"), int):
        raise ConnectionFailed("an answer that is neither a result nor an error")
    data = error.get("data")
    return RpcError(error["code"], str(error.get("message", "")), data if isinstance(data, dict) else {})
