"""docs/rpc.md and the error table follow the code."""

from pathlib import Path

import pytest

from node.gateway.errors import CODES, REASONS, RpcFault, view_fault
from node.reference.rpc_methods import own_methods, rewritten
from vm.errors import Refused

DOCUMENT = Path(__file__).parents[4] / "docs" / "rpc.md"


def test_the_generated_parts_are_up_to_date():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert rewritten(text) == text, "run: python -m node.reference.rpc_methods docs/rpc.md"


def test_a_document_without_the_marks_is_refused():
    with pytest.raises(ValueError, match="generated: methods"):
        rewritten("# nothing")


def test_the_methods_of_the_specification_are_there():
    names = [method.name for method in own_methods()]
    assert names == [
        *("node_info", "node_health", "node_peers", "node_consensus"),
        *("chain_genesis", "chain_head", "chain_block", "chain_certificate", "chain_validators"),
        *("chain_transaction", "chain_receipt", "chain_transactions"),
        *("tx_submit", "tx_send", "tx_wait", "tx_simulate", "tx_encode", "state_get", "state_proof"),
        "state_view",
    ]
    assert [method.name for method in own_methods() if method.writes] == ["tx_submit", "tx_send"]
    pages = next(method for method in own_methods() if method.name == "chain_transactions")
    assert list(pages.fields) == ["account", "brand", "call", "from", "to", "cursor", "limit"]


def test_every_reason_has_a_known_code():
    assert {code for code, _ in REASONS.values()} <= set(CODES)
    assert RpcFault("STATE_PRUNED", "gone", height=3).as_object() == {
        "code": -32001,
        "message": "gone",
        "data": {"reason": "STATE_PRUNED", "height": 3},
    }


@pytest.mark.parametrize(
    ("code", "rpc_code"),
    [("INVALID_ARGS", -32602), ("NOT_FOUND", -32001), ("OUT_OF_BUDGET", -32005), ("NOT_ELIGIBLE", -32602)],
)
def test_a_views_refusal_keeps_its_code_as_the_reason(code: str, rpc_code: int):
    fault = view_fault(Refused(code, "no", field="x", reason="other"))
    assert (fault.code, fault.data["reason"], fault.data["field"]) == (rpc_code, code, "x")
