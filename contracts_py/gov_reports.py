"""Evidence on the chain: two statements that one validator signed for one step, of which at most one may be.

A report proves itself, so anyone may make one. The contract builds both signed payloads from their fields in
the canonical form of `consensus.messages` and checks the signatures; nothing that was not signed is believed.
"""

from __future__ import annotations

from typing import Any, Final

from contracts_py.gov_records import REPORTS, Report, Statement, Step, report_count_key, report_key
from contracts_py.sequences import append, list_page
from vm.contract_api import (
    Context,
    Domain,
    InvariantBroken,
    Refused,
    encode,
    refuse,
    validators_deciding,
)

MAX_REPORTS_PER_VALIDATOR: Final = 100
"""One is enough to act on; a validator that contradicts itself all the time must not fill the state."""

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
) -> dict[str, Any]:
    """Check a report and keep it.

    Raises:
        Refused: INVALID_ARGS (no contradiction, no valid signature), NOT_FOUND (no validator of that height),
            ALREADY_EXISTS, LIMIT_EXCEEDED.
    """
    if not 1 <= height <= ctx.height:
        refuse("height", f"a height from 1 to {ctx.height}")
    public_key = bytes.fromhex(validator)
    deciders = validators_deciding(ctx, height)
    brand = next((entry.brand for entry in deciders if entry.public_key == public_key), None)
    if brand is None:
        raise Refused("NOT_FOUND", "no validator of that height has this key", validator=validator)
    place = f"{validator}/{height}/{round_}/{step}"
    if ctx.get(report_key(place), Report) is not None:
        raise Refused("ALREADY_EXISTS", "this step has been reported", validator=validator, step=step)
    count = ctx.get(report_count_key(validator), int) or 0
    if count >= MAX_REPORTS_PER_VALIDATOR:
        raise Refused("LIMIT_EXCEEDED", "enough is known of this validator", limit=MAX_REPORTS_PER_VALIDATOR)
    payloads = [
        _payload(ctx.chain, height, round_, step, statement, field)
        for statement, field in ((first, "first"), (second, "second"))
    ]
    if payloads[0] == payloads[1]:
        refuse("second", "another statement than the first")
    for statement, payload, field in ((first, payloads[0], "first"), (second, payloads[1], "second")):
        if not ctx.verify_signature(_DOMAINS[step], public_key, payload, bytes.fromhex(statement.signature)):
            refuse(f"{field}.signature", "the validator's signature over the statement")
    ctx.put(report_key(place), Report(brand, first, second, ctx.sender, ctx.height))
    ctx.put(report_count_key(validator), count + 1)
    append(ctx, REPORTS, place)
    told = {"validator": validator, "brand": brand, "height": height, "round": round_, "step": step}
    ctx.emit("gov.reported", told)
    return told


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


def list_reports(ctx: Context, cursor: str | None, limit: int) -> dict[str, Any]:
    """Return a page of the reports in the order of their recording."""

    def show(place: str) -> dict[str, Any]:
        record = ctx.get(report_key(place), Report)
        if record is None:
            raise InvariantBroken(f"the report {place} is listed without a record")
        validator, height, round_, step = place.split("/")
        return {
            "validator": validator,
            "brand": record.brand,
            "height": int(height),
            "round": int(round_),
            "step": step,
            "first": _shown(record.first),
            "second": _shown(record.second),
            "reporter": record.reporter,
            "reported": record.reported,
        }

    return list_page(ctx, REPORTS, cursor, limit, show)


def _shown(statement: Statement) -> dict[str, Any]:
    fields = {name: getattr(statement, name) for name in statement.__struct_fields__}
    return {name: value for name, value in fields.items() if value is not None}
