"""What work costs, in deterministic units (SPEC section 2, `cost`).

One unit is about 0.1 µs of one core of the testbed, so that the limits below can be compared with time.
The table is consensus: a changed figure is a new protocol version.
"""

from __future__ import annotations

from typing import Final

TRANSACTION: Final = 100
"""Decoding, replay and allowance records, the receipt."""

SIGNATURE: Final = 50
"""One signature check; it happens on admission, and is paid for here."""

OPERATION: Final = 30
READ: Final = 15
WRITE: Final = 40
"""An overlay entry, its encoding, and the path of the state tree that changes with it."""

EVENT: Final = 10
BYTES_PER_UNIT: Final = 16
"""Each 16 bytes of a transaction cost one unit."""

STEP: Final = 1
"""One iteration of a contract's loop over data that a client controls."""
