"""The salt: a brand's secret that turns its own member ids into the commitments of `identity.enroll`.

    commitment = HMAC-SHA256(salt, "entente/member/1\0" + member id in UTF-8)

A commitment is on the chain for everyone to read. Member ids are few and guessable (card numbers, e-mail
addresses): a bare hash of one would tell it to anyone who tries them all. Without the salt nothing can be tried.

The same salt gives a member the same address in every file. Without it no one can tell which address is
whose, and a second salt would make a second address for each member.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Final

from genesis.durable_files import exposure, write_durably
from node.moving.errors import MovingError
from vm.primitives.units import is_lower_hex

SALT_BYTES: Final = 32
_TAG: Final = b"entente/member/1\0"


def commitment(salt: bytes, member: str) -> bytes:
    """Return the commitment to a brand's own member id."""
    return hmac.digest(salt, _TAG + member.encode(), "sha256")


def fingerprint(salt: bytes) -> str:
    """Return what tells one salt from another, and nothing of it."""
    return hashlib.sha256(b"entente/salt/1\0" + salt).hexdigest()[:16]


def new_salt() -> bytes:
    """Return a fresh salt."""
    return secrets.token_bytes(SALT_BYTES)


def read_salt(path: Path) -> bytes:
    """Return the salt in a file of 64 hex digits.

    Raises:
        MovingError: there is none, it holds something else, or others may read it.
    """
    try:
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise MovingError(
            f"the salt file {path} does not exist; --new-salt makes one, once for all imports"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise MovingError(f"the salt file {path} cannot be read: {error}") from None
    if len(text) != 2 * SALT_BYTES or not is_lower_hex(text):
        raise MovingError(f"{path} does not hold a salt of {2 * SALT_BYTES} lower-case hex digits")
    for problem in exposure(path):
        raise MovingError(problem)
    return bytes.fromhex(text)


def write_salt(path: Path, salt: bytes) -> None:
    """Keep a fresh salt in a file of its owner's only.

    Raises:
        MovingError: there is a file already, or the disk refuses.
    """
    try:
        write_durably(path, salt.hex() + "\n", replace=False)
    except FileExistsError:
        raise MovingError(f"{path} exists; leave --new-salt out to use it") from None
    except OSError as error:
        raise MovingError(f"the salt file {path} cannot be written: {error.strerror or error}") from None
