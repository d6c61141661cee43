"""testnet.json: where a testnet's validators answer, its accounts' seeds, its clock (SPEC section 9).

Invariant: the file appears whole or not at all, readable by its owner only.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from genesis.durable_files import write_durably
from genesis.errors import TestnetError
from genesis.keystore import parse_seed
from vm.primitives.keys import SigningKey

MANIFEST_FILE = "testnet.json"
MAX_RATE = 10_000_000


class ClockStart(msgspec.Struct, frozen=True):
    """What `START@RATE` says: block time begins at `start_ms` and runs `rate` times as fast as the wall."""

    start_ms: int
    rate: int


class TestnetClock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A virtual clock with its anchor: block time = start + (wall − anchor) · rate, all in ms."""

    __test__ = False

    start_ms: int
    anchor_ms: int
    rate: Annotated[int, Meta(ge=1, le=MAX_RATE)]


class TestnetValidator(msgspec.Struct, frozen=True):
    """A validator of the manifest: its RPC URL, peer address, home folder, and process while it runs."""

    __test__ = False

    name: str
    brand: str
    rpc: str
    p2p: str
    home: str
    pid: int | None = None


class TestnetAccount(msgspec.Struct, frozen=True):
    """An account whose seed is in clear: hex, testnets only."""

    __test__ = False

    name: str
    address: str
    seed: str
    brand: str
    roles: tuple[str, ...]

    def key(self) -> SigningKey:
        """Return the key that signs for the account."""
        return parse_seed(self.seed)


class TestnetManifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """testnet.json (SPEC section 9)."""

    __test__ = False

    chain: str
    genesis: str
    validators: tuple[TestnetValidator, ...]
    accounts: tuple[TestnetAccount, ...]
    clock: TestnetClock | None = None

    def account(self, name: str) -> TestnetAccount:
        """Return the account with this name.

        Raises:
            TestnetError: there is none.
        """
        for account in self.accounts:
            if account.name == name:
                return account
        known = ", ".join(account.name for account in self.accounts)
        raise TestnetError(f"there is no account {name!r} in this testnet; it has {known}")

    def validator(self, brand: str) -> TestnetValidator:
        """Return a brand's validator.

        Raises:
            TestnetError: there is none.
        """
        for validator in self.validators:
            if brand in (validator.brand, validator.name):
                return validator
        known = ", ".join(validator.brand for validator in self.validators)
        raise TestnetError(f"there is no brand {brand!r} in this testnet; it has {known}")


def parse_clock(text: str) -> ClockStart:
    """Read START@RATE, for example 2026-01-01T00:00:00Z@86400 (a day in each second) or 2026-01-01@1.

    Raises:
        TestnetError: START is no ISO-8601 time of 1970 or later, or RATE no integer from 1 to 10,000,000.
    """
    start_text, at, rate_text = text.rpartition("@")
    if not at:
        raise TestnetError(f"a clock is START@RATE, such as 2026-01-01T00:00:00Z@86400, not {text!r}")
    if not re.fullmatch(r"[0-9]{1,8}", rate_text) or not 1 <= int(rate_text) <= MAX_RATE:
        raise TestnetError(f"the clock's rate is an integer from 1 to {MAX_RATE}, not {rate_text!r}")
    try:
        start = datetime.fromisoformat(start_text)
    except ValueError:
        raise TestnetError(f"the clock's start is no ISO-8601 time: {start_text!r}") from None
    if start.tzinfo is None:
        start = start.replace(tzinfo=UTC)
    elapsed = start - datetime(1970, 1, 1, tzinfo=UTC)
    start_ms = (elapsed.days * 86_400 + elapsed.seconds) * 1_000 + elapsed.microseconds // 1_000
    if start_ms < 0:
        raise TestnetError("the clock's start must not be before 1970")
    return ClockStart(start_ms, int(rate_text))


def load_manifest(directory: Path) -> TestnetManifest:
    """Read DIR/testnet.json.

    Raises:
        TestnetError: there is none, or it cannot be read.
    """
    path = directory / MANIFEST_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=TestnetManifest)
    except FileNotFoundError:
        raise TestnetError(
            f"{directory} holds no testnet; `entente testnet up --dir {directory}` makes one"
        ) from None
    except OSError as error:
        raise TestnetError(f"{path} cannot be read: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise TestnetError(f"{path} is damaged: {error}") from None


def save_manifest(directory: Path, manifest: TestnetManifest) -> None:
    """Replace DIR/testnet.json, durably: it holds seeds in clear."""
    value = msgspec.to_builtins(manifest)
    for validator in value["validators"]:
        validator.setdefault("pid", None)
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
    write_durably(directory / MANIFEST_FILE, text)
