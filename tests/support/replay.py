"""Every call of `tests/unit/contracts/test_roles_of_calls.py`, and what falls due in the years after, as one hash.

Run: PYTHONHASHSEED=1 python -m tests.support.replay

Two processes see strings hashed in two ways, and so sets in two orders; contracts must not tell them apart.
"""

from __future__ import annotations

from hashlib import sha256

from tests.contract_harness import account_of
from tests.unit.contracts.test_roles_of_calls import CALLS, prepared_chain
from vm.primitives.codec import encode

YEARS_MS = 3 * 365 * 86_400_000


def replayed() -> str:
    """Return the hash of all state, receipts and once-records that the calls and the agenda make."""
    hasher = sha256()
    for call, args, roles in CALLS:
        chain = prepared_chain().fork()
        for role in sorted(roles):
            person = f"aurora-{role}"
            result = chain.block([chain.transaction(account_of(person), [(call, args)], [person, "ann"])])
            hasher.update(encode([result.receipt_bytes, list(result.changes.items())]))
        chain.until(chain.time + YEARS_MS)
        hasher.update(encode([sorted(chain.state.values.items()), sorted(chain.state.records.items())]))
    return hasher.hexdigest()


if __name__ == "__main__":
    print(replayed())
