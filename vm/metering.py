"""What work costs, in deterministic units (SPEC section 2, `cost`).

Sizes and counts that a transaction asks for are metered, never what a cache holds. 2.5 units are about one
microsecond of an idle core of the testbed where values are cold; where they are warm most work is faster than it is
charged for. docs/execution.md has the measured table; `params.COST_PER_MS` holds blocks to it.
The table is consensus: a changed figure is a new protocol version.
"""

from __future__ import annotations

from typing import Final

TRANSACTION: Final = 100
"""Decoding, replay and allowance records, the receipt, the place in the indexes."""

SIGNATURE: Final = 170
"""One signature check; where it happened on admission it is paid for here."""

VERIFICATION: Final = 450
"""A signature that a contract has checked. It takes 39 µs every time, where what else a call is charged for is
mostly warm: at SIGNATURE a report of an equivocation took 2.4 times as long for its units as the median of calls.
"""

DERIVATION: Final = 80
"""An address that a contract makes of a brand's or an opener's name: a hash and 33 letters in base 32, 7 µs."""

PARSED: Final = 4
"""One operation of a transaction, which is decoded whether or not it comes to be executed."""

OPERATION: Final = 6
"""Finding a call and checking arguments that cost nothing more."""

READ: Final = 15
WRITE: Final = 60
"""An overlay entry, its encoding, its database record, and the path of the state tree that changes with it."""

ONCE_WRITE: Final = 25
"""A once-record: the hash of its leaf and two database records; the tree changes once per block and family."""

READ_BYTES_PER_UNIT: Final = 64
WRITE_BYTES_PER_UNIT: Final = 16
"""Beside their base, a read and a write cost what it takes to decode, encode, hash and store their bytes."""

EVENT: Final = 5
BYTES_PER_UNIT: Final = 16
"""Each 16 bytes of a transaction, and of its results and events as encoded, cost one unit."""

ELEMENT: Final = 3
"""One element of a list or an object among the arguments, beside its check; paid before the first is checked."""

STEP: Final = 1
"""One iteration of a contract's loop over data that a client controls."""
