"""One anvil node (an Ethereum node for development, Rust, no consensus) under signed transfers of a token.

Run by the interpreter of `environment` with eth-account, from the repository's root; prints one JSON line. The
token is the smallest honest one: it checks and writes both balances, and logs ERC-20's Transfer event.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Sequence
from typing import Any, Final

from eth_account import Account
from eth_utils import keccak, to_checksum_address

from tests.bench.rivals.driving import Flight, Processes, asked, call, measured, options_of, tell, wait_for

SENDERS = 40
RECEIVERS = 200
CHAIN_ID = 31_337
GAS = 120_000
"""A transfer to an account that has had none takes some 75,000."""

BLOCK_GAS = 10**10
"""No block is full: each second's block takes all that has come."""

GAS_PRICE = 10**10
FUNDS = 10**24
TOKEN = to_checksum_address("0x00000000000000000000000000000000000e27e0")
SELECTOR = keccak(text="transfer(address,uint256)")[:4]
EVENT = keccak(text="Transfer(address,address,uint256)")

_NAMES: Final = (
    "ADD SUB LT KECCAK256 CALLER CALLDATALOAD MSTORE SLOAD SSTORE JUMPI JUMPDEST PUSH0 DUP1 DUP3 SWAP1 SWAP2"
)
OPCODES: Final = dict(
    zip(
        [*_NAMES.split(), "LOG3", "RETURN", "REVERT"],
        bytes.fromhex("01 03 10 20 33 35 52 54 55 57 5b 5f 80 82 90 91 a3 f3 fd"),
        strict=True,
    )
)
PROGRAM: Final = """
    CALLER PUSH0 MSTORE 20 PUSH0 KECCAK256  DUP1 SLOAD  24 CALLDATALOAD
    DUP1 DUP3 LT fail JUMPI
    DUP1 SWAP2 SUB  SWAP1 SWAP2 SSTORE
    04 CALLDATALOAD PUSH0 MSTORE 20 PUSH0 KECCAK256  DUP1 SLOAD  DUP3 ADD  SWAP1 SSTORE
    PUSH0 MSTORE  04 CALLDATALOAD CALLER event 20 PUSH0 LOG3
    01 PUSH0 MSTORE 20 PUSH0 RETURN
    JUMPDEST PUSH0 PUSH0 REVERT
"""
"""transfer(to, amount): balances stand under the hash of their account. Numbers are hexadecimal bytes to push."""


def assembled() -> bytes:
    """Return the token's code."""
    code = bytearray()
    fixes: list[int] = []
    for word in PROGRAM.split():
        if word == "fail":
            fixes.append(len(code) + 1)
            code += b"\x60\0"
        elif word == "event":
            code += b"\x7f" + EVENT
        elif word in OPCODES:
            code.append(OPCODES[word])
        else:
            code += bytes([0x60, int(word, 16)])
    for place in fixes:
        code[place] = len(code) - 4  # Where the JUMPDEST of the last line stands.
    return bytes(code)


def prepare(port: int, senders: Sequence[Any]) -> None:
    """Put the token on the chain, and give senders of it."""
    call(port, "anvil_setCode", TOKEN, f"0x{assembled().hex()}")
    for sender in senders:
        slot = keccak(bytes.fromhex(sender.address[2:]).rjust(32, b"\0"))
        call(port, "anvil_setStorageAt", TOKEN, f"0x{slot.hex()}", f"0x{FUNDS:064x}")
        call(port, "anvil_setBalance", sender.address, hex(FUNDS))


def signed_transfers(senders: Sequence[Any], count: int) -> dict[str, bytes]:
    """Return so many transfers as JSON-RPC bodies by their hash, senders in turn."""
    receivers = [os.urandom(20).rjust(32, b"\0") for _ in range(RECEIVERS)]
    bodies: dict[str, bytes] = {}
    for number, sender in zip(range(count), itertools.cycle(senders)):
        data = SELECTOR + receivers[number % RECEIVERS] + (1).to_bytes(32, "big")
        signed = sender.sign_transaction(
            {
                "nonce": number // len(senders),
                "gasPrice": GAS_PRICE,
                "gas": GAS,
                "to": TOKEN,
                "value": 0,
                "data": data,
                "chainId": CHAIN_ID,
            }
        )
        params = [f"0x{bytes(signed.raw_transaction).hex()}"]
        request = {"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": params}
        bodies[f"0x{bytes(signed.hash).hex()}"] = json.dumps(request).encode()
    return bodies


class Blocks:
    """The hashes of the transactions in the blocks that come."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._last = int(call(port, "eth_blockNumber"), 16)

    async def mined(self) -> list[str]:
        """Return those of the blocks since the last time."""
        found: list[str] = []
        last = int(await asked(self._port, "eth_blockNumber"), 16)
        for height in range(self._last + 1, last + 1):
            found += (await asked(self._port, "eth_getBlockByNumber", hex(height), False))["transactions"]
        self._last = last
        return found


def require_paid(port: int, senders: Sequence[Any]) -> None:
    """Fail unless the transfers have moved what they say: a block also holds those that reverted."""
    slot = keccak(bytes.fromhex(senders[0].address[2:]).rjust(32, b"\0"))
    left = int(call(port, "eth_getStorageAt", TOKEN, f"0x{slot.hex()}", "latest"), 16)
    sent = int(call(port, "eth_getTransactionCount", senders[0].address, "latest"), 16)
    if left != FUNDS - sent:
        raise RuntimeError(f"{sent} transfers were mined, and {FUNDS - left} have paid")


def main() -> None:
    """Run and print."""
    options = options_of(__doc__)
    settings = {"--port": options.port, "--chain-id": CHAIN_ID, "--block-time": 1, "--gas-limit": BLOCK_GAS}
    command = [options.binary, "--silent", "--accounts", "1"]
    command += [str(part) for pair in settings.items() for part in pair]
    with Processes() as processes:
        processes.start(command, options.home / "anvil.log")
        wait_for(lambda: call(options.port, "eth_blockNumber") is not None, "anvil answers")
        senders = [Account.from_key(os.urandom(32)) for _ in range(SENDERS)]
        prepare(options.port, senders)
        bodies = signed_transfers(senders, options.count)
        flight = Flight(bodies, [options.port], options.in_flight, Blocks(options.port).mined)
        figures = measured(flight, options.seconds, processes)
        require_paid(options.port, senders)
        tell(figures)


if __name__ == "__main__":
    main()
