"""The guide for client programmers, docs/contracts.md: its examples are executed, and their answers written in.

```json op by=ann+aurora-cashier          an operation, alone in its block, and who signs; the first is the sender
```json view                              a view
```json receipt                           what the operation before it came to
```json answer                            what the view before it answered
<!-- 3600000 ms pass -->                  an empty block of a later time
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from tests.contract_harness import START, Chain, account_of, as_read, credit_ops, program_args
from tests.reference.story import alliance_ops
from tests.reference.words import pretty
from vm.errors import Refused

_STEP: Final = re.compile(
    r"^```json (?P<kind>op|view|receipt|answer)(?: by=(?P<by>\S+))?\n(?P<text>.*?)^```$"
    r"|^<!-- (?P<ms>\d+) ms pass -->$",
    re.MULTILINE | re.DOTALL,
)


def chain_of_the_guide() -> Chain:
    """Return the chain with which the guide begins."""
    yearly = {"kind": "days", "days": 365}
    stars = program_args("stars", "aurora", expiry=yearly)
    rays = program_args("rays", "borea", price={"currency": "EUR", "num": 2, "den": 1})
    terms = {"rate": [1, 2], "fee_bps": 100, "limits": {}, "valid_from": 0, "valid_to": START + 365 * 86_400_000}
    ops = [
        *alliance_ops("aurora", "borea"),
        *credit_ops("aurora", "borea", amount=100_000),
        ("token.create_program", stars),
        ("token.create_program", rays),
        ("token.partner", {"program": "stars", "at_brand": "borea"}),
        ("swap.propose", {"treaty": "aurora-rays", "from_program": "stars", "to_program": "rays", **terms}),
        ("swap.accept", {"treaty": "aurora-rays"}),
        ("token.issue", {"program": "stars", "to": account_of("bob"), "amount": 9}),
    ]
    chain = Chain(ops)
    chain.strict.listed = None  # The stories are where it is seen to that all is listed.
    return chain


def rewritten(document: str) -> str:
    """Return the guide with what its examples come to."""
    chain = chain_of_the_guide()
    told: Any = None

    def execute(step: re.Match[str]) -> str:
        nonlocal told
        kind, by, text = step["kind"], step["by"], step["text"]
        if step["ms"]:
            chain.until(chain.time + int(step["ms"]))
        elif kind == "op":
            told = receipt_of(chain, by, json.loads(text))
        elif kind == "view":
            asked = json.loads(text)
            told = answer_of(chain, asked["method"], asked["params"])
        else:
            return f"```json {kind}\n{pretty(told)}\n```"
        return step[0]

    return _STEP.sub(execute, document)


def receipt_of(chain: Chain, by: str, op: list[Any]) -> dict[str, Any]:
    """Execute an operation; return the receipt as clients read it, without what depends on the block."""
    signers = by.split("+")
    receipt = chain.send_ops(signers[0], [(op[0], op[1])], signers)
    if receipt.error:
        error = {"op": receipt.error.op, "code": receipt.error.code, "message": receipt.error.message}
        return {"status": "failed", "error": {**error, "details": receipt.error.details or {}}}
    events = [{"op": 0, "type": type_, "data": data} for type_, data in chain.told(receipt)]
    return {"status": "ok", "results": as_read(receipt.results), "events": events}


def answer_of(chain: Chain, name: str, params: dict[str, Any]) -> dict[str, Any]:
    """Answer a view as the gateway does, in short: result, or the reason."""
    try:
        return {"result": chain.view(name, **params)}
    except Refused as refusal:
        return {"error": {"message": refusal.message, "data": {"reason": refusal.code, **refusal.details}}}
