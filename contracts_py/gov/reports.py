"""Evidence on the chain: two statements that one validator signed for one step, of which at most one may be.

A report proves itself, so anyone may make one. The contract builds both signed payloads from their fields in
the canonical form of `consensus.messages` and checks the signatures; nothing that was not signed is believed.

A validator that contradicts itself can do so in every step of every round that it likes to invent, and report
itself. So the first reports of each are kept in full; of what comes later only the number grows, once per
HEIGHTS_BETWEEN_COUNTED heights. `docs/decisions/membership.md` argues the figures.

Invariants:
    1. Each (validator, height, round, step) is recorded at most once, in full or in the count.
    2. One key takes at most MAX_REPORTS_PER_VALIDATOR reports and one count of the state, whatever it signs.
    3. A height is counted only above all that were counted, or kept, of the same validator before.
"""

from __future__ import annotations

from typing import Any, Final

from contracts_py.gov.answers import ReportMade, ReportShown
from contracts_py.gov.events import Reported
from contracts_py.gov.records import (
    REPORT_COUNTS,
    REPORT_RECORDS,
    REPORTS,
    Report,
    ReportCount,
    Statement,
    Step,
)
from vm.contract_api import (
    Context,
    Domain,
    Page,
    Readable,
    Refused,
    encode,
    refuse,
    validators_deciding,
)

MAX_REPORTS_PER_VALIDATOR: Final = 20
"""One is enough to act on; so many tell a slip from a habit."""

HEIGHTS_BETWEEN_COUNTED: Final = 1_000
"""A further report costs a transaction; so rare, they take nothing from anybody."""

MAX_REPORT_AGE: Final = 100_000
"""Heights. Old keys leak, and nobody can say any more who used them; five hours at full load, months when idle."""

_DOMAINS: Final[dict[str, bytes]] = {
    "proposal": Domain.PROPOSAL,
    "prepare": Domain.PREPARE,
    "commit": Domain.COMMIT,
    "round_change": Domain.ROUND_CHANGE,
}
_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "proposal": ("digest",),
    "prepare": ("digest",),
    "commit": ("digest", "state_root", "receipts_root"),
    "round_change": ("prepared_round", "prepared_digest"),
}


def record_report(
    ctx: Context, validator: str, height: int, round_: int, step: Step, first: Statement, second: Statement
) -> ReportMade:
    """Check a report and keep or count it.

    Raises:
        Refused: INVALID_ARGS (no contradiction, no valid signature), NOT_FOUND (no validator of that height),
            EXPIRED (the height is long past), ALREADY_EXISTS, LIMIT_EXCEEDED (enough is known for now).
    """
    if not 1 <= height <= ctx.height:
        refuse("height", f"a height from 1 to {ctx.height}")
    if height < ctx.height - MAX_REPORT_AGE:
        raise Refused("EXPIRED", f"heights are reported for {MAX_REPORT_AGE} blocks", height=ctx.height)
    brand = _brand_deciding(ctx, bytes.fromhex(validator), height)
    if is_recorded(ctx, validator, height, round_, step):
        raise Refused("ALREADY_EXISTS", "this step has been reported", validator=validator, step=step)
    count = report_count(ctx, validator)
    if not is_wanted(count, height):
        raise Refused(
            "LIMIT_EXCEEDED",
            "enough is known of this validator for now",
            limit=MAX_REPORTS_PER_VALIDATOR,
            next_height=count.height + HEIGHTS_BETWEEN_COUNTED,
        )
    _check_contradiction(ctx, validator, height, round_, step, first, second)
    latest = max(height, count.height)
    if count.kept < MAX_REPORTS_PER_VALIDATOR:
        count = ReportCount(count.kept + 1, count.counted, latest)
        record = Report(brand, first, second, ctx.sender, ctx.height)
        REPORT_RECORDS.put(ctx, record, validator, height, round_, step)
        REPORTS.append(ctx, (validator, height, round_, step))
    else:
        count = ReportCount(count.kept, count.counted + 1, latest)
    REPORT_COUNTS.put(ctx, count, validator)
    ctx.emit(Reported(validator, brand, height, round_, step, count.kept, count.counted))
    return ReportMade(validator, brand, height, round_, step, count.kept, count.counted)


def is_recorded(state: Readable, validator: str, height: int, round_: int, step: Step) -> bool:
    """Tell whether a report of this step is kept in full."""
    return REPORT_RECORDS.get(state, validator, height, round_, step) is not None


def report_count(state: Readable, validator: str) -> ReportCount:
    """Return how often a validator has been reported."""
    return REPORT_COUNTS.get(state, validator) or ReportCount(0)


def is_wanted(count: ReportCount, height: int) -> bool:
    """Tell whether a report for a height would still be recorded of a validator with this count."""
    return count.kept < MAX_REPORTS_PER_VALIDATOR or height >= count.height + HEIGHTS_BETWEEN_COUNTED


def _brand_deciding(ctx: Context, public_key: bytes, height: int) -> str:
    for entry in validators_deciding(ctx, height):
        if entry.public_key == public_key:
            return entry.brand
    raise Refused("NOT_FOUND", "no validator of that height has this key", validator=public_key.hex())


def _check_contradiction(
    ctx: Context, validator: str, height: int, round_: int, step: Step, first: Statement, second: Statement
) -> None:
    payloads = [
        _payload(ctx.chain, height, round_, step, statement, field)
        for statement, field in ((first, "first"), (second, "second"))
    ]
    if payloads[0] == payloads[1]:
        refuse("second", "another statement than the first")
    key = bytes.fromhex(validator)
    for statement, payload, field in ((first, payloads[0], "first"), (second, payloads[1], "second")):
        if not ctx.verify_signature(_DOMAINS[step], key, payload, bytes.fromhex(statement.signature)):
            refuse(f"{field}.signature", "the validator's signature over the statement")


def _payload(chain: str, height: int, round_: int, step: Step, statement: Statement, field: str) -> bytes:
    """Return what a consensus message of this step signs; the same bytes as `consensus.messages` makes."""
    names = _FIELDS[step]
    payload: dict[str, Any] = {"chain": chain, "height": height, "round": round_}
    for name in ("digest", "state_root", "receipts_root", "prepared_round", "prepared_digest"):
        value = getattr(statement, name)
        if name not in names:
            if value is not None:
                refuse(f"{field}.{name}", f"nothing in a {step}")
        elif value is None and step != "round_change":
            refuse(f"{field}.{name}", "a value")
        else:
            payload[name] = bytes.fromhex(value) if isinstance(value, str) else value
    return encode(payload)


def list_reports(ctx: Context, cursor: str | None, limit: int) -> Page[ReportShown]:
    """Return a page of the reports in the order of their recording."""

    def show(place: tuple[str, int, int, Step]) -> ReportShown:
        record = REPORT_RECORDS.require(ctx, *place)
        validator, height, round_, step = place
        return ReportShown(
            validator,
            record.brand,
            height,
            round_,
            step,
            record.first,
            record.second,
            record.reporter,
            record.reported,
        )

    return REPORTS.page(ctx, cursor=cursor, limit=limit, show=show)
