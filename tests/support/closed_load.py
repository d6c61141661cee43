"""A closed-loop load of transfers: a client that sends the next one when it has the receipt of the last one."""

from __future__ import annotations

import threading
import time

from tests.support.network import LocalNetwork


class Load:
    """Sends transfers through whichever validator answers, and keeps the receipts that it got."""

    def __init__(self, network: LocalNetwork, sender: str, receiver: str) -> None:
        self._network = network
        self._address, self._key = network.account(sender)
        self._receiver, _ = network.account(receiver)
        self._stop = threading.Event()
        self.receipts: dict[str, dict[str, object]] = {}
        self._thread = threading.Thread(target=self._run, name=f"load-{sender}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> None:
        """Stop after the attempt in flight; what it sent may become final without our knowing."""
        self._stop.set()
        self._thread.join(timeout=120)
        assert not self._thread.is_alive(), "a client hangs"

    def _run(self) -> None:
        turn = 0
        while not self._stop.is_set():
            transfer = ("token.transfer", {"program": "miles", "to": self._receiver, "amount": 1})
            raw = self._network.sign(self._address, self._key, [transfer])
            receipt = None
            while (
                receipt is None and not self._stop.is_set()
            ):  # a till that retries with the same bytes, at another validator
                turn += 1
                receipt = self._try(turn % 4, raw)
            if receipt is not None:
                self.receipts[str(receipt["id"])] = receipt

    def _try(self, index: int, raw: str) -> dict[str, object] | None:
        try:
            answer = self._network.post(
                index,
                {"jsonrpc": "2.0", "id": 1, "method": "tx_send", "params": {"tx": raw, "timeout_ms": 4_000}},
                timeout_s=8.0,
            )
        except OSError:
            time.sleep(0.05)
            return None
        return answer.get("result") if isinstance(answer, dict) else None
